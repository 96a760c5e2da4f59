# SimSiam: BYOL without momentum; stop-gradient alone.
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
            target=dict(type='GlobalFeatures', encoder='online'),
            decoder=dict(
                type='PoolingDecoder',
                layers=[
                    dict(
                        type='NonLinearNeck',
                        in_channels=256,
                        hid_channels=1536,
                        out_channels=256,
                        with_avg_pool=False,
                        norm_cfg=dict(type='SyncBN'),
                    )
                ],
            ),
            likelihood=dict(type='Gaussian', normalize=True),
        )
    ),
)
