# Cascade Mask R-CNN on InternImage-XL
_base_ = './cascade-mask-rcnn_internimage-l_fpn.py'

model = dict(
    backbone=dict(
        arch='xlarge',
        drop_path_rate=0.4,
        init_cfg=dict(
            checkpoint=(
                'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
                'internimage_xl_22k_192to384.pth'
            )
        ),
    ),
    neck=dict(in_channels=[192, 384, 768, 1536]),
)
