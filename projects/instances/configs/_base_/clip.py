# CLIP: image -> text, against the other texts of the batch.
_base_ = 'vit-small-p16.py'
model = dict(
    objectives=dict(
        y=dict(
            target=dict(
                type='TextTarget',
                text_encoder=dict(
                    type='TextTransformer', vocab_size=49408, out_dims=512
                ),
            ),
            decoder=dict(
                type='PoolingDecoder',
                layers=[
                    dict(type='LinearNeck', in_channels=384, out_channels=512)
                ],
            ),
            likelihood=dict(
                type='Contrast',
                temperature=0.07,
                learnable=True,
                normalize=True,
                symmetric=True,
            ),
        )
    )
)
