# Mask R-CNN on InternImage-S
_base_ = './mask-rcnn_internimage-t_fpn.py'

model = dict(
    backbone=dict(
        arch='small',
        drop_path_rate=0.3,
        init_cfg=dict(
            checkpoint=(
                'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
                'internimage_s_1k_224.pth'
            )
        ),
    ),
    neck=dict(in_channels=[80, 160, 320, 640]),
)
