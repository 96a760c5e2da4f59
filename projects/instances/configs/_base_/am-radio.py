# AM-RADIO: view -> patches and embeddings of several teachers, each
# standardised.
_base_ = [
    'vit-small-p16.py',
    '../../../../configs/_base_/teachers/dinov2-b_clip-b16.py',
]
dino = dict(type='m3i_mm.ChannelStatistics', embed_dims=768)
clip_patches = dict(type='m3i_mm.ChannelStatistics', embed_dims=768)
clip_image = dict(type='m3i_mm.ChannelStatistics', embed_dims=512)
to_768 = dict(
    type='NonLinearNeck',
    in_channels=384,
    hid_channels=1536,
    out_channels=768,
    with_avg_pool=False,
    norm_cfg=dict(type='SyncBN'),
)
to_512 = dict(to_768, out_channels=512)
model = dict(
    teachers=_base_.teachers,
    objectives=dict(
        dino_patches=dict(
            target=dict(
                type='DenseFeatures',
                encoder='dino',
                layer_norm=False,
                standardize=dino,
            ),
            decoder=dict(type='DenseDecoder', layers=[to_768]),
            likelihood=dict(type='Gaussian'),
        ),
        dino_image=dict(
            target=dict(
                type='GlobalFeatures',
                encoder='dino',
                view='same',
                standardize=dino,
            ),
            decoder=dict(type='PoolingDecoder', layers=[to_768]),
            likelihood=dict(type='Gaussian', normalize=True),
        ),
        clip_patches=dict(
            target=dict(
                type='DenseFeatures',
                encoder='clip',
                layer_norm=False,
                standardize=clip_patches,
            ),
            decoder=dict(type='DenseDecoder', layers=[to_768]),
            likelihood=dict(type='Gaussian'),
        ),
        clip_image=dict(
            target=dict(
                type='GlobalFeatures',
                encoder='clip',
                view='same',
                standardize=clip_image,
            ),
            decoder=dict(type='PoolingDecoder', layers=[to_512]),
            likelihood=dict(type='Gaussian', normalize=True),
        ),
    ),
)
