# A segmentor on what m3i pretrain trains on a CPU
_base_ = [
    '../_base_/models/resnet18-half.py',
    '../_base_/models/upernet-64.py',
    '../_base_/datasets/own-data_maps_512x512.py',
    'mmseg::_base_/default_runtime.py',
    '../_base_/schedules/own-data_20e.py',
]

model = dict(
    data_preprocessor=dict(size=_base_.scale),
    backbone=dict(_base_.backbone, _delete_=True),
    decode_head=dict(in_channels=_base_.channels),
    auxiliary_head=dict(in_channels=_base_.channels[-1]),
)
log_processor = dict(by_epoch=True)
default_hooks = dict(checkpoint=dict(type='CheckpointHook', max_keep_ckpts=1))
