# Masked global: masked view -> mean feature of the whole same view.
_base_ = 'vit-small-p16.py'
model = dict(
    input=dict(
        type='PatchMask',
        pattern=dict(type='UniformMask', ratio=0.75),
        fill=dict(type='DropPatches'),
    ),
    momentum_encoder=dict(type='MomentumEncoder'),
    objectives=dict(
        y=dict(
            target=dict(type='GlobalFeatures', view='same'),
            decoder=dict(
                type='PoolingDecoder',
                layers=[
                    dict(type='LinearNeck', in_channels=384, out_channels=384)
                ],
            ),
            likelihood=dict(type='Boltzmann', temperature=0.2, normalize=True),
        )
    ),
)
