# Novel view synthesis: view -> pixels of another view.
_base_ = 'vit-small-p16.py'
model = dict(
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
    )
)
