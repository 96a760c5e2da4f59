# 25 epochs at batch size 64, layer-wise decay of 0.7
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='m3i_mm.LayerDecayOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.1),
    paramwise_cfg=dict(
        layer_decay_rate=0.7,
        custom_keys=dict(pos_embed=dict(decay_mult=0.0)),
    ),
)
# 250 iterations below the full rate, which MMEngine counts as end - 1
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=251
    ),
    dict(type='MultiStepLR', by_epoch=True, end=25, milestones=[22, 24]),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=25, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=64)
