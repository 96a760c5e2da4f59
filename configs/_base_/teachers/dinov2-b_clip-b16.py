# Two foundation models: 196 pixels are as many patches of 14 as 224 of 16.
teachers = dict(
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
)
