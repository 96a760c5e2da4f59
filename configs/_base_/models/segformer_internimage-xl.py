# The head of SegFormer on InternImage-XL
_base_ = './segformer_internimage-l.py'

model = dict(
    backbone=dict(
        arch='xlarge',
        init_cfg=dict(
            checkpoint=(
                'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
                'internimage_xl_22k_192to384.pth'
            )
        ),
    ),
    decode_head=dict(in_channels=[192, 384, 768, 1536]),
)
