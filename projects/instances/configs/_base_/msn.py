# MSN-style: masked view -> mean feature of another view, against the
# batch.
_base_ = 'vit-small-p16.py'
model = dict(
    input=dict(
        type='PatchMask',
        pattern=dict(type='BlockMask', ratio=0.6),
        fill=dict(type='DropPatches'),
    ),
    momentum_encoder=dict(type='MomentumEncoder'),
    objectives=dict(
        y=dict(
            target=dict(type='GlobalFeatures'),
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
