_base_ = [
    '../_base_/backbones/internimage-b.py',
    'mmdet::_base_/models/mask-rcnn_r50_fpn.py',
    'mmdet::_base_/datasets/coco_instance.py',
    '../_base_/schedules/mask-rcnn_1x.py',
    '../_base_/detection_runtime.py',
]

model = dict(
    backbone=dict(
        _delete_=True,
        **_base_.backbone,
        drop_path_rate=0.4,
        init_cfg=_base_.pretrained,
    ),
    neck=dict(in_channels=_base_.channels),
)
