# A text encoder that learns at a quarter of the rate of all else
_base_ = 'contrast-unmixed.py'
optim_wrapper = dict(
    constructor='DefaultOptimWrapperConstructor',
    paramwise_cfg=dict(custom_keys=dict(text_encoder=dict(lr_mult=0.25))),
)
