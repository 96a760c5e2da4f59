# UPerNet on InternImage-H: no layer scale, activations computed again
_base_ = './upernet_internimage-t.py'

model = dict(
    backbone=dict(
        arch='huge',
        layer_scale=None,
        drop_path_rate=0.5,
        with_cp=True,
        init_cfg=dict(
            checkpoint=(
                'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
                'internimage_h_jointto22k_384.pth'
            )
        ),
    ),
    decode_head=dict(in_channels=[320, 640, 1280, 2560]),
    auxiliary_head=dict(in_channels=1280),
)
