# M3I on ViT-L/16
_base_ = 'm3i_vit-base-p16.py'
model = dict(
    backbone=dict(arch='l', drop_path_rate=0.2),
    decoders=dict(image=dict(in_dims=1024, out_dims=1024)),
    objectives=dict(
        category=dict(decoder=dict(in_dims=1024)),
        text=dict(decoder=dict(in_dims=1024)),
    ),
)
