# Dense distillation: view -> features of the same view. The teacher is
# the momentum encoder; encoder='frozen' and frozen_encoder make it FD.
_base_ = 'vit-small-p16.py'
model = dict(
    momentum_encoder=dict(type='MomentumEncoder', batch_norm='batch'),
    objectives=dict(
        y=dict(
            target=dict(type='DenseFeatures'),
            decoder=dict(
                type='DenseDecoder',
                layers=[
                    dict(type='LinearNeck', in_channels=384, out_channels=384)
                ],
            ),
            likelihood=dict(type='Gaussian'),
        )
    ),
)
