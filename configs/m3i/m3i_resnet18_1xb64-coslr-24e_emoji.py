# The demo: pre-training in less than ten minutes on two CPU cores
_base_ = [
    '../_base_/models/m3i_resnet18_emoji.py',
    '../_base_/datasets/emoji_two_views.py',
    '../_base_/evaluation/emoji.py',
    '../_base_/default_runtime.py',
]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW', lr=3e-3, betas=(0.9, 0.98), weight_decay=0.05, fused=True
    ),
    clip_grad=dict(max_norm=1.0),
    constructor='m3i_mm.LayerDecayOptimWrapperConstructor',
)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.01, end=0.5, convert_to_iter_based=True
    ),
    dict(
        type='CosineAnnealingLR',
        begin=0.5,
        eta_min=1e-5,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=24, val_interval=24)
custom_hooks = [
    dict(type='m3i_mm.ResumeStateHook'),
    dict(type='m3i_mm.DataReportHook'),
    dict(type='m3i_mm.ChannelsLastHook'),
    dict(type='m3i_mm.MomentumUpdateHook', start=0.99),
]
auto_scale_lr = dict(base_batch_size=64)
