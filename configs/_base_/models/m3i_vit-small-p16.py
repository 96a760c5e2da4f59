# M3I on ViT-S/16
_base_ = 'm3i_vit-base-p16.py'
model = dict(
    backbone=dict(arch='deit-s', drop_path_rate=0.0),
    decoders=dict(
        image=dict(in_dims=384, out_dims=384, embed_dims=384, num_heads=12)
    ),
    objectives=dict(
        category=dict(decoder=dict(in_dims=384)),
        text=dict(decoder=dict(in_dims=384)),
    ),
)
