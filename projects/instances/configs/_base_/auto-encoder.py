# Auto-encoder: view -> its own pixels.
_base_ = 'vit-small-p16.py'
model = dict(
    objectives=dict(
        y=dict(
            target=dict(type='Pixels'),
            decoder=dict(
                type='DenseDecoder',
                layers=[
                    dict(type='LinearNeck', in_channels=384, out_channels=768)
                ],
            ),
            likelihood=dict(type='Gaussian'),
        )
    )
)
