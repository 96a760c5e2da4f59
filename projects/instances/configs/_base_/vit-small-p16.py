# What all rows share: ViT-S/16 on one view
model = dict(
    type='m3i_mm.M3I',
    backbone=dict(
        type='mmpretrain.VisionTransformer',
        arch='deit-s',
        img_size=224,
        patch_size=16,
        out_type='featmap',
    ),
)
