# M3I at a size for drawings of 64 px and two CPU cores: the first three stages
# of a ResNet-18 of half width, tokens of stride 16.
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
        stem_channels=32,
        base_channels=32,
    ),
    decoders=dict(
        image=dict(
            in_dims=128,
            out_dims=128,
            embed_dims=128,
            depth=1,
            num_heads=4,
            norm_cfg=dict(type='LN', eps=1e-6),
        )
    ),
    objectives=dict(
        intra=dict(likelihood=dict(regularizer=dict(type='UniGradTerm'))),
        inter=dict(likelihood=dict(regularizer=dict(type='UniGradTerm'))),
        category=dict(
            target=dict(field='subgroup', num_classes=94, embed_dims=128),
            decoder=dict(in_dims=128, out_dims=128, num_heads=4),
        ),
        text=dict(
            target=dict(
                text_encoder=dict(
                    out_dims=128,
                    embed_dims=64,
                    depth=1,
                    num_heads=2,
                    dropout=0.0,
                )
            ),
            decoder=dict(in_dims=128, out_dims=128, num_heads=4),
        ),
    ),
)
