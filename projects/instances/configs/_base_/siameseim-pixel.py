# SiameseIM on pixels: masked view -> normalised pixels of another view.
_base_ = 'vit-small-p16.py'
model = dict(
    input=dict(
        type='PatchMask',
        pattern=dict(type='BlockMask', ratio=0.6),
        fill=dict(type='DropPatches'),
    ),
    objectives=dict(
        y=dict(
            target=dict(type='Pixels', view='other', normalize=True),
            decoder=dict(
                type='TransformerDecoder',
                in_dims=384,
                out_dims=768,
                embed_dims=384,
                depth=4,
                num_heads=12,
            ),
            likelihood=dict(type='Gaussian'),
        )
    ),
)
