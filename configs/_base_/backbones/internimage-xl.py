# InternImage-XL, with the classification weights of the authors
backbone = dict(
    type='m3i_mm.InternImage',
    arch='xlarge',
    layer_scale=1.0,
)
pretrained = dict(
    type='Pretrained',
    checkpoint=(
        'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
        'internimage_xl_22k_192to384.pth'
    ),
)
channels = [192, 384, 768, 1536]
