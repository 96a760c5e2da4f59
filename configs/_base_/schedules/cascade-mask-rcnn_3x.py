# 36 epochs at batch size 64, with an exponential moving average of the model
_base_ = './mask-rcnn_3x.py'

optim_wrapper = dict(
    optimizer=dict(lr=2e-4), paramwise_cfg=dict(layer_decay_rate=0.90)
)
custom_hooks = [
    dict(
        type='EMAHook',
        ema_type='mmdet.ExpMomentumEMA',
        momentum=1e-4,
        update_buffers=True,
        priority=49,
    )
]
auto_scale_lr = dict(base_batch_size=64)
