# SimCLR: each view -> the other one, with gradient, against all other
# views of the batch.
_base_ = 'vit-small-p16.py'
model = dict(
    input=dict(type='BothViews'),
    neck=dict(
        type='NonLinearNeck',
        in_channels=384,
        hid_channels=1536,
        out_channels=256,
        norm_cfg=dict(type='SyncBN'),
    ),
    objectives=dict(
        y=dict(
            target=dict(
                type='GlobalFeatures', encoder='online', stop_gradient=False
            ),
            decoder=dict(type='PoolingDecoder'),
            likelihood=dict(
                type='Contrast',
                temperature=0.1,
                normalize=True,
                negatives=dict(type='BatchNegatives', own_view=True),
            ),
        )
    ),
)
