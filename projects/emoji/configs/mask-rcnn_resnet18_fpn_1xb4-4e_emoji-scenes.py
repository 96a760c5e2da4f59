_base_ = [
    './_base_/backbone.py',
    './_base_/models/mask-rcnn.py',
    './_base_/instances_scenes.py',
    './_base_/schedule_4e.py',
    './_base_/detection_runtime.py',
]

num_classes = 8
model = dict(
    backbone=_base_.backbone,
    neck=dict(in_channels=_base_.channels),
    roi_head=dict(
        bbox_head=dict(num_classes=num_classes),
        mask_head=dict(num_classes=num_classes),
    ),
)
