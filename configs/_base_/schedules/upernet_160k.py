# 160k iterations of AdamW, linear warm-up and linear decay
_base_ = 'mmseg::_base_/schedules/schedule_160k.py'

optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    constructor='m3i_mm.LayerDecayOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=6e-5, weight_decay=0.05),
    paramwise_cfg=dict(layer_decay_rate=1.0),
)
# The warm-up multiplies the decay, which starts with it. MMEngine counts
# end - 1 iterations below the full rate.
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1501
    ),
    dict(
        type='PolyLR',
        power=1.0,
        eta_min=0.0,
        by_epoch=False,
        begin=0,
        end=160001,
    ),
]
auto_scale_lr = dict(enable=False, base_batch_size=16)
default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=3, save_best='mIoU'),
    checkpoint_fit=dict(type='m3i_mm.CheckpointFitHook'),
    class_count=dict(type='m3i_mm.ClassCountHook'),
)
