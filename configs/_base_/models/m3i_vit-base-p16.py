# M3I with two inputs and four targets (paper, Figure 2) on ViT-B/16. What the
# paper does not say follows SiameseIM; configs/m3i/README.md lists which.
model = dict(
    type='m3i_mm.M3I',
    backbone=dict(
        type='mmpretrain.VisionTransformer',
        arch='b',
        img_size=224,
        patch_size=16,
        out_type='featmap',
        drop_path_rate=0.1,
    ),
    input=dict(type='PatchMix', patch_size=16, ratio=0.5),
    momentum_encoder=dict(type='MomentumEncoder', batch_norm='batch'),
    decoders=dict(
        # shared: the same view is another view at offset zero and scale one
        image=dict(
            type='TransformerDecoder',
            in_dims=768,
            out_dims=768,
            embed_dims=768,
            depth=4,
            num_heads=16,
            norm_cfg=dict(type='SyncBN'),
        )
    ),
    objectives=dict(
        intra=dict(
            target=dict(type='DenseFeatures', view='same'),
            decoder='image',
            likelihood=dict(type='Gaussian'),
            members=(0,),
            weight=0.5,
        ),
        inter=dict(
            target=dict(type='DenseFeatures', view='other'),
            decoder='image',
            likelihood=dict(type='Gaussian'),
            members=(1,),
            weight=0.5,
        ),
        category=dict(
            target=dict(
                type='CategoryTarget', num_classes=1000, embed_dims=768
            ),
            decoder=dict(
                type='AttentionPoolingDecoder', in_dims=768, out_dims=768
            ),
            likelihood=dict(type='Categorical', label_smoothing=0.1),
        ),
        text=dict(
            target=dict(
                type='TextTarget',
                text_encoder=dict(
                    type='TextTransformer', vocab_size=49408, out_dims=768
                ),
            ),
            decoder=dict(
                type='AttentionPoolingDecoder', in_dims=768, out_dims=768
            ),
            likelihood=dict(
                type='Contrast',
                temperature=0.07,
                learnable=True,
                normalize=True,
                symmetric=True,
            ),
        ),
    ),
)
