# What the models of lightly share: no momentum encoder of ours
_base_ = 'cifar10.py'
custom_imports = dict(
    imports=['m3i_mm.models', 'lightly_models'], allow_failed_imports=False
)
custom_hooks = [
    hook
    for hook in _base_.custom_hooks
    if hook['type'] != 'm3i_mm.MomentumUpdateHook'
]
model = dict(
    type='m3i_mm.LightlySimCLR',
    backbone=_base_.encoder,
    widths=(128, 512, 128),
)
