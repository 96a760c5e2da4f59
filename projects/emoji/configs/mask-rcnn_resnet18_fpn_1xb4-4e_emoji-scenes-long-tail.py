# The same with the 94 subgroups as classes, evaluated as LVIS
_base_ = [
    '../../../configs/_base_/models/resnet18-half.py',
    '../../../configs/_base_/models/mask-rcnn-64_fpn.py',
    './_base_/long-tail_scenes.py',
    './_base_/schedule_4e.py',
    './_base_/detection_runtime.py',
]

num_classes = 94
model = dict(
    backbone=dict(_base_.backbone, _delete_=True),
    neck=dict(in_channels=_base_.channels),
    roi_head=dict(
        bbox_head=dict(num_classes=num_classes),
        mask_head=dict(num_classes=num_classes),
    ),
    # as for LVIS: rare classes have low scores
    test_cfg=dict(rcnn=dict(score_thr=0.0001, max_per_img=300)),
)
