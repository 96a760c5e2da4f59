# AdamW for 4096 images a step, warm-up and cosine to zero: SiameseIM's values
optim_wrapper = dict(
    type='m3i_mm.MixedPrecisionOptimWrapper',
    dtype='bfloat16',
    optimizer=dict(
        type='AdamW', lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05
    ),
    clip_grad=dict(max_norm=1.0),
    constructor='m3i_mm.LayerDecayOptimWrapperConstructor',
)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-4, end=40, convert_to_iter_based=True
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=0.0,
        begin=40,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=400)
auto_scale_lr = dict(base_batch_size=4096)
