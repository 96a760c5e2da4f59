# UPerNet on InternImage-T, for the 150 classes of ADE20K
_base_ = 'mmseg::_base_/models/upernet_r50.py'

model = dict(
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type='m3i_mm.InternImage',
        arch='tiny',
        layer_scale=1.0,
        drop_path_rate=0.2,
        init_cfg=dict(
            type='Pretrained',
            checkpoint=(
                'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
                'internimage_t_1k_224.pth'
            ),
        ),
    ),
    decode_head=dict(num_classes=150, in_channels=[64, 128, 256, 512]),
    auxiliary_head=dict(num_classes=150, in_channels=256),
)
