# AM-RADIO: view -> patches and embeddings of several teachers, each
# standardised. 196 pixels are as many patches of 14 as 224 are of 16.
_base_ = 'vit-small-p16.py'
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
    teachers=dict(
        dino=dict(
            type='m3i_mm.Teacher',
            name='timm:vit_base_patch14_dinov2.lvd142m',
            size=196,
            precision='bfloat16',
        ),
        clip=dict(
            type='m3i_mm.Teacher',
            name='open_clip:ViT-B-16/datacomp_xl_s13b_b90k',
            size=224,
            precision='bfloat16',
        ),
    ),
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
