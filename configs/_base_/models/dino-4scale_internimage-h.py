# DINO on InternImage-H, with a thousand denoising queries
_base_ = './dino-4scale_internimage-t.py'

model = dict(
    backbone=dict(
        arch='huge',
        layer_scale=None,
        drop_path_rate=0.5,
        init_cfg=dict(
            checkpoint=(
                'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
                'internimage_h_jointto22k_384.pth'
            )
        ),
    ),
    neck=dict(in_channels=[640, 1280, 2560]),
    dn_cfg=dict(group_cfg=dict(num_dn_queries=1000)),
    test_cfg=dict(max_per_img=300),
)
