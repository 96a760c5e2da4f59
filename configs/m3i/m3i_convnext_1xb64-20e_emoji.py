# The demo: about eight minutes on two CPU cores.
_base_ = [
    '../_base_/models/m3i_convnext_emoji.py',
    '../_base_/datasets/emoji_two_views.py',
    '../_base_/evaluation/emoji.py',
    '../_base_/default_runtime.py',
]
epochs = 20
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW', lr=2e-3, betas=(0.9, 0.98), weight_decay=0.05, fused=True
    ),
    clip_grad=dict(max_norm=1.0),
    constructor='m3i_mm.LayerDecayOptimWrapperConstructor',
)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-3, end=2, convert_to_iter_based=True
    ),
    dict(
        type='CosineAnnealingLR',
        begin=2,
        eta_min=1e-5,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=epochs
)
custom_hooks = [
    dict(type='m3i_mm.ResumeStateHook'),
    dict(type='m3i_mm.MomentumUpdateHook', start=0.99),
]
auto_scale_lr = dict(base_batch_size=64)
