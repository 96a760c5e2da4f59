# AdamW for batches of 64 small pictures on a CPU: the demo's values
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
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=10, val_interval=10)
auto_scale_lr = dict(base_batch_size=64)
