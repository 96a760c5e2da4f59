# The demo's longer recipe, for a GPU or eight
_base_ = 'm3i_resnet18_1xb64-coslr-24e_emoji.py'
optim_wrapper = dict(
    _delete_=True,
    type='m3i_mm.MixedPrecisionOptimWrapper',
    dtype='bfloat16',
    optimizer=dict(
        type='AdamW', lr=3e-3, betas=(0.9, 0.95), weight_decay=0.05
    ),
    clip_grad=dict(max_norm=1.0),
    constructor='m3i_mm.LayerDecayOptimWrapperConstructor',
)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.01, end=10, convert_to_iter_based=True
    ),
    dict(
        type='CosineAnnealingLR',
        begin=10,
        eta_min=1e-5,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(max_epochs=300, val_interval=20)
default_hooks = dict(checkpoint=dict(interval=10))
auto_scale_lr = dict(base_batch_size=512)
