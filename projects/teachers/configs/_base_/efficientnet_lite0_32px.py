# A real model of ImageNet as the teacher of photographs of 32 px: its
# embedding of the view, scaled up to 96 px, standardised, compared by cosine.
_base_ = '../../../photographs/configs/_base_/photographs.py'
teachers = dict(
    efficientnet=dict(
        type='m3i_mm.Teacher',
        name='timm:tf_efficientnet_lite0',
        weights=_base_.data_root + 'efficientnet_lite0.safetensors',
        size=96,
    )
)
taught = dict(
    target=dict(
        type='GlobalFeatures',
        encoder='efficientnet',
        view='same',
        standardize=dict(type='m3i_mm.ChannelStatistics', embed_dims=1280),
    ),
    decoder=dict(
        type='PoolingDecoder',
        layers=[
            dict(
                type='NonLinearNeck',
                in_channels=128,
                hid_channels=512,
                out_channels=1280,
                with_avg_pool=False,
            )
        ],
    ),
    likelihood=dict(type='Gaussian', normalize=True),
)
