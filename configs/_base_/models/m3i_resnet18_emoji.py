# M3I at a size for drawings of 64 px and two CPU cores: the first three stages
# of a ResNet-18 of 3/4 width, tokens of stride 16.
_base_ = 'm3i_vit-base-p16.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.ResNet',
        depth=18,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
        stem_channels=48,
        base_channels=48,
    ),
    decoders=dict(
        image=dict(
            in_dims=192,
            out_dims=192,
            embed_dims=128,
            depth=2,
            num_heads=4,
            norm_cfg=dict(type='LN', eps=1e-6),
        )
    ),
    objectives=dict(
        intra=dict(likelihood=dict(regularizer=dict(type='UniGradTerm'))),
        inter=dict(likelihood=dict(regularizer=dict(type='UniGradTerm'))),
        category=dict(
            target=dict(field='subgroup', num_classes=94, embed_dims=192),
            decoder=dict(in_dims=192, out_dims=192, num_heads=6),
        ),
        text=dict(
            target=dict(
                text_encoder=dict(
                    out_dims=192,
                    embed_dims=128,
                    depth=2,
                    num_heads=4,
                    dropout=0.0,
                )
            ),
            decoder=dict(in_dims=192, out_dims=192, num_heads=6),
        ),
    ),
)
