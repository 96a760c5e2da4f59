# MAE: masked view -> normalised pixels of its hidden patches.
_base_ = 'vit-small-p16.py'
model = dict(
    input=dict(
        type='PatchMask',
        pattern=dict(type='UniformMask', ratio=0.75),
        fill=dict(type='DropPatches'),
    ),
    objectives=dict(
        y=dict(
            target=dict(type='Pixels', normalize=True, patches='hidden'),
            decoder=dict(
                type='TransformerDecoder',
                in_dims=384,
                out_dims=768,
                embed_dims=384,
                depth=8,
                num_heads=12,
                relative_scale=False,
                class_token=True,
            ),
            likelihood=dict(type='Gaussian'),
        )
    ),
)
