# 12 epochs of AdamW at batch size 16, layer-wise decay of 0.9
_base_ = 'mmdet::_base_/schedules/schedule_1x.py'

optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    constructor='m3i_mm.LayerDecayOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4),
    clip_grad=dict(max_norm=0.1, norm_type=2),
    paramwise_cfg=dict(layer_decay_rate=0.90, stem_keys=['level_embed']),
)
param_scheduler = [
    # 500 iterations below the full rate, which MMEngine counts as end - 1
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=501
    ),
    dict(type='MultiStepLR', by_epoch=True, end=12, milestones=[11]),
]
