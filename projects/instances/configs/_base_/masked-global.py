# Masked global: masked view -> mean feature of the whole same view.
_base_ = 'global-distillation.py'
model = dict(
    input=dict(
        type='PatchMask',
        pattern=dict(type='UniformMask', ratio=0.75),
        fill=dict(type='DropPatches'),
    )
)
