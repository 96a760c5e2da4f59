# Barlow Twins: view -> another view, channels de-correlated.
_base_ = 'vit-small-p16.py'
model = dict(
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
            likelihood=dict(type='CrossCorrelation', embed_dims=256),
            weight=0.025,
        )
    ),
)
