# MoCo v3: each view -> the other one's momentum feature, against the
# batch.
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
    momentum_encoder=dict(type='MomentumEncoder', batch_norm='batch'),
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
            likelihood=dict(type='Contrast', temperature=0.2, normalize=True),
            weight=2.0,
        )
    ),
)
