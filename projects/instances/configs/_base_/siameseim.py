# SiameseIM: masked view -> momentum features of another view.
_base_ = 'vit-small-p16.py'
model = dict(
    input=dict(
        type='PatchMask',
        pattern=dict(type='BlockMask', ratio=0.6),
        fill=dict(type='DropPatches'),
    ),
    momentum_encoder=dict(type='MomentumEncoder', batch_norm='batch'),
    objectives=dict(
        y=dict(
            target=dict(type='DenseFeatures', view='other'),
            decoder=dict(
                type='TransformerDecoder',
                in_dims=384,
                out_dims=384,
                embed_dims=384,
                depth=4,
                num_heads=12,
            ),
            likelihood=dict(
                type='Gaussian', regularizer=dict(type='UniGradTerm')
            ),
        )
    ),
)
