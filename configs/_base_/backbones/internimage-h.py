# InternImage-H, with the classification weights of the authors
backbone = dict(
    type='m3i_mm.InternImage',
    arch='huge',
    drop_path_rate=0.5,
    with_cp=True,
)
pretrained = dict(
    type='Pretrained',
    checkpoint=(
        'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
        'internimage_h_jointto22k_384.pth'
    ),
)
channels = [320, 640, 1280, 2560]
