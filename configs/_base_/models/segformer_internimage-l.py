# The head of SegFormer on InternImage-L, for the 19 classes of Cityscapes. The
# head has 150 outputs, of which 19 are used, as in the released files.
_base_ = 'mmseg::_base_/models/segformer_mit-b0.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='m3i_mm.InternImage',
        arch='large',
        layer_scale=1.0,
        drop_path_rate=0.4,
        init_cfg=dict(
            type='Pretrained',
            checkpoint=(
                'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
                'internimage_l_22k_192to384.pth'
            ),
        ),
    ),
    decode_head=dict(in_channels=[160, 320, 640, 1280], num_classes=150),
)
