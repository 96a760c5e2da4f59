# InternImage-B, with the classification weights of the authors
backbone = dict(
    type='m3i_mm.InternImage',
    arch='base',
    layer_scale=1.0,
)
pretrained = dict(
    type='Pretrained',
    checkpoint=(
        'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
        'internimage_b_1k_224.pth'
    ),
)
channels = [112, 224, 448, 896]
