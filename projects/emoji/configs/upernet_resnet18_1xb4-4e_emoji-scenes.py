# UPerNet at a size for scenes of 256 px and two CPU cores
_base_ = [
    '../../../configs/_base_/models/resnet18-half.py',
    '../../../configs/_base_/models/upernet-64.py',
    './_base_/semantic_scenes.py',
    './_base_/schedule_4e.py',
    'mmseg::_base_/default_runtime.py',
]

num_classes = 9
model = dict(
    data_preprocessor=dict(size=_base_.scale),
    backbone=dict(_base_.backbone, _delete_=True),
    decode_head=dict(in_channels=_base_.channels, num_classes=num_classes),
    auxiliary_head=dict(
        in_channels=_base_.channels[-1], num_classes=num_classes
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
