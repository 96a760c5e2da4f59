# one rate for the whole backbone instead of layer-wise decay
_base_ = './dino-4scale_internimage-l_8xb2-12e_coco.py'

optim_wrapper = dict(
    constructor='DefaultOptimWrapperConstructor',
    optimizer=dict(weight_decay=0.05),
    paramwise_cfg=dict(
        _delete_=True, custom_keys=dict(backbone=dict(lr_mult=0.1))
    ),
)
