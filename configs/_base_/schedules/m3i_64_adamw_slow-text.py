# A rate at which an image encoder learns best and a text encoder would be
# undone, docs/experiments.md
_base_ = 'm3i_64_adamw_demo.py'
optim_wrapper = dict(
    optimizer=dict(lr=1.2e-2),
    constructor='DefaultOptimWrapperConstructor',
    paramwise_cfg=dict(custom_keys=dict(text_encoder=dict(lr_mult=0.25))),
)
