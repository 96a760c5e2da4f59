# DINO on InternImage-L
_base_ = './dino-4scale_internimage-t.py'

model = dict(
    backbone=dict(
        arch='large',
        drop_path_rate=0.4,
        with_cp=False,
        init_cfg=dict(
            checkpoint=(
                'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
                'internimage_l_22k_192to384.pth'
            )
        ),
    ),
    neck=dict(in_channels=[320, 640, 1280]),
    test_cfg=dict(max_per_img=300),
)
