# DINO on InternImage-G
_base_ = './dino-4scale_internimage-h.py'

model = dict(
    backbone=dict(
        arch='giant',
        init_cfg=dict(
            checkpoint=(
                'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
                'internimage_g_pretrainto22k_384.pth'
            )
        ),
    ),
    neck=dict(in_channels=[1024, 2048, 4096]),
)
