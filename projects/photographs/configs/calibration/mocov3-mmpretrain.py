# MMPretrain's own class and head, whose momentum is of its own too
_base_ = '_base_/cifar10.py'
custom_hooks = [
    hook
    for hook in _base_.custom_hooks
    if hook['type'] != 'm3i_mm.MomentumUpdateHook'
]
neck = dict(
    type='NonLinearNeck', norm_cfg=dict(type='SyncBN'), **_base_.projector
)
model = dict(
    type='mmpretrain.MoCoV3',
    base_momentum=0.01,
    backbone=_base_.encoder,
    neck=neck,
    head=dict(
        type='MoCoV3Head',
        temperature=0.2,
        loss=dict(type='CrossEntropyLoss', loss_weight=2 * 0.2),
        predictor=dict(neck, in_channels=128, with_avg_pool=False),
    ),
)
