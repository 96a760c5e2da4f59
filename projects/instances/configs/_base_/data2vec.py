# data2vec-style: masked view -> momentum features of its hidden patches.
_base_ = 'vit-small-p16.py'
model = dict(
    input=dict(
        type='PatchMask',
        pattern=dict(type='BlockMask', ratio=0.4),
        fill=dict(type='MaskToken', embed_dims=384),
    ),
    momentum_encoder=dict(type='MomentumEncoder', batch_norm='batch'),
    objectives=dict(
        y=dict(
            target=dict(type='DenseFeatures', patches='hidden'),
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
