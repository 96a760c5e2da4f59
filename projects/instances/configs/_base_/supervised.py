# Supervised: image -> category. GAP and a linear classifier.
_base_ = 'vit-small-p16.py'
model = dict(
    objectives=dict(
        y=dict(
            target=dict(
                type='CategoryTarget', num_classes=1000, embed_dims=384
            ),
            decoder=dict(type='PoolingDecoder'),
            likelihood=dict(type='Categorical', label_smoothing=0.1),
        )
    )
)
