# Global distillation: view -> mean feature of the same view.
_base_ = 'vit-small-p16.py'
model = dict(
    momentum_encoder=dict(type='MomentumEncoder', batch_norm='batch'),
    objectives=dict(
        y=dict(
            target=dict(type='GlobalFeatures', view='same'),
            decoder=dict(
                type='PoolingDecoder',
                layers=[
                    dict(type='LinearNeck', in_channels=384, out_channels=384)
                ],
            ),
            likelihood=dict(type='Contrast', temperature=0.2, normalize=True),
        )
    ),
)
