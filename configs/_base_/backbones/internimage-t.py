# InternImage-T, with the classification weights of the authors
backbone = dict(
    type='m3i_mm.InternImage',
    arch='tiny',
    layer_scale=1.0,
)
pretrained = dict(
    type='Pretrained',
    checkpoint=(
        'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
        'internimage_t_1k_224.pth'
    ),
)
channels = [64, 128, 256, 512]
