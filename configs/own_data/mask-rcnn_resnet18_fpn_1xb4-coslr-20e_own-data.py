# A detector on what m3i pretrain trains on a CPU
_base_ = [
    '../_base_/models/resnet18-half.py',
    '../_base_/models/mask-rcnn-64_fpn.py',
    '../_base_/datasets/own-data_instances_640x640.py',
    'mmdet::_base_/default_runtime.py',
    '../_base_/schedules/own-data_20e.py',
]

model = dict(
    backbone=dict(_base_.backbone, _delete_=True),
    neck=dict(in_channels=_base_.channels),
)
default_hooks = dict(checkpoint=dict(type='CheckpointHook', max_keep_ckpts=1))
