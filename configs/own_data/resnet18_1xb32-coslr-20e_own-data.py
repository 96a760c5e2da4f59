# A classifier on what m3i pretrain trains on a CPU
_base_ = [
    '../_base_/models/resnet18-half.py',
    '../_base_/datasets/own-data_classes.py',
    'mmpretrain::_base_/default_runtime.py',
    '../_base_/schedules/own-data_20e.py',
]

model = dict(
    type='ImageClassifier',
    backbone=dict(_base_.backbone, out_indices=(2,)),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=_base_.channels[-1],
        topk=(1,),
    ),
)
default_hooks = dict(checkpoint=dict(type='CheckpointHook', max_keep_ckpts=1))
