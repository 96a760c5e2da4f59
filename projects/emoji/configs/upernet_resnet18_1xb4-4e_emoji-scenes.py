# UPerNet at a size for scenes of 256 px and two CPU cores
_base_ = [
    './_base_/backbone.py',
    'mmseg::_base_/models/upernet_r50.py',
    './_base_/semantic_scenes.py',
    './_base_/schedule_4e.py',
    'mmseg::_base_/default_runtime.py',
]

norm_cfg = dict(type='BN', requires_grad=True)
num_classes = 9
model = dict(
    pretrained=None,
    data_preprocessor=dict(size=_base_.scale),
    backbone=_base_.backbone,
    decode_head=dict(
        in_channels=_base_.channels,
        in_index=[0, 1, 2],
        channels=64,
        num_classes=num_classes,
        norm_cfg=norm_cfg,
    ),
    auxiliary_head=dict(
        in_channels=_base_.channels[-1],
        channels=64,
        num_classes=num_classes,
        norm_cfg=norm_cfg,
    ),
)
train_dataloader = dict(sampler=dict(type='DefaultSampler', shuffle=True))
log_processor = dict(by_epoch=True)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # a picture of truth and prediction of every tenth test scene
    visualization=dict(type='SegVisualizationHook', draw=True, interval=10),
)
custom_hooks = [dict(type='m3i_mm.ProgressBarHook')]
