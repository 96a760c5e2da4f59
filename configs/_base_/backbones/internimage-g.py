# InternImage-G, with the classification weights of the authors
backbone = dict(
    type='m3i_mm.InternImage',
    arch='giant',
    drop_path_rate=0.5,
    with_cp=True,
)
pretrained = dict(
    type='Pretrained',
    checkpoint=(
        'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
        'internimage_g_pretrainto22k_384.pth'
    ),
)
channels = [512, 1024, 2048, 4096]
