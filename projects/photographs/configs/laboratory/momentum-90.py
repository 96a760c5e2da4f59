# A teacher that follows within ten steps: there are only 256
_base_ = (
    '../../../../configs/m3i/m3i_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
)
custom_hooks = [
    *_base_.custom_hooks[:-1],
    dict(type='m3i_mm.MomentumUpdateHook', start=0.9),
]
