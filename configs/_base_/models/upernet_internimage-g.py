# UPerNet on InternImage-G
_base_ = './upernet_internimage-h.py'

model = dict(
    backbone=dict(
        arch='giant',
        drop_path_rate=0.5,
        init_cfg=dict(
            checkpoint=(
                'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
                'internimage_g_pretrainto22k_384.pth'
            )
        ),
    ),
    decode_head=dict(in_channels=[512, 1024, 2048, 4096]),
    auxiliary_head=dict(in_channels=2048),
)
