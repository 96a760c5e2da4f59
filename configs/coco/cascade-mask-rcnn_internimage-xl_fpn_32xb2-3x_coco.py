_base_ = [
    '../_base_/backbones/internimage-xl.py',
    '../_base_/models/cascade-mask-rcnn_fpn.py',
    '../_base_/datasets/coco_instance_multi-scale.py',
    '../_base_/schedules/cascade-mask-rcnn_3x.py',
    '../_base_/detection_runtime.py',
]

model = dict(
    backbone=dict(
        _delete_=True,
        **_base_.backbone,
        drop_path_rate=0.6,
        init_cfg=_base_.pretrained,
    ),
    neck=dict(in_channels=_base_.channels),
)
