# InternImage-L, with the classification weights of the authors
backbone = dict(
    type='m3i_mm.InternImage',
    arch='large',
    layer_scale=1.0,
)
pretrained = dict(
    type='Pretrained',
    checkpoint=(
        'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
        'internimage_l_22k_192to384.pth'
    ),
)
channels = [160, 320, 640, 1280]
