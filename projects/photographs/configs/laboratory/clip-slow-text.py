# CLIP with the text encoder's rate that helped M3I
_base_ = '../clip_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
optim_wrapper = dict(
    constructor='DefaultOptimWrapperConstructor',
    paramwise_cfg=dict(custom_keys=dict(text_encoder=dict(lr_mult=0.25))),
)
