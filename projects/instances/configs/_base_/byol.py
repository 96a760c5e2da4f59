# BYOL: each view -> the other one's momentum feature; a predictor and
# the momentum keep it from collapse.
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
    momentum_encoder=dict(type='MomentumEncoder'),
    objectives=dict(
        y=dict(
            target=dict(type='GlobalFeatures'),
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
            weight=2.0,
        )
    ),
)
