# InternImage-S, with the classification weights of the authors
backbone = dict(
    type='m3i_mm.InternImage',
    arch='small',
    layer_scale=1.0,
)
pretrained = dict(
    type='Pretrained',
    checkpoint=(
        'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
        'internimage_s_1k_224.pth'
    ),
)
channels = [80, 160, 320, 640]
