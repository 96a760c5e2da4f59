# A classifier on the mean of the tokens, as in pre-training
_base_ = [
    '../_base_/models/m3i_vit-small-p16.py',
    '../_base_/datasets/own-data_classes.py',
    'mmpretrain::_base_/default_runtime.py',
    '../_base_/schedules/own-data_20e.py',
]

backbone = _base_.model.backbone
model = dict(
    _delete_=True,
    type='ImageClassifier',
    backbone=backbone,
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=1000, in_channels=384, topk=(1,)
    ),
)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', max_keep_ckpts=1))
