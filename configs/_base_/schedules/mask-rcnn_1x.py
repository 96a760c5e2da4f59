# 12 epochs of AdamW at batch size 16, as the authors of InternImage train
_base_ = 'mmdet::_base_/schedules/schedule_1x.py'

optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    constructor='m3i_mm.LayerDecayOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(layer_decay_rate=1.0),
)
param_scheduler = [
    # 500 iterations below the full rate, which MMEngine counts as end - 1
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=501
    ),
    dict(type='MultiStepLR', by_epoch=True, end=12, milestones=[8, 11]),
]
