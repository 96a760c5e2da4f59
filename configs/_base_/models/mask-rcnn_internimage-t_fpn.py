# Mask R-CNN on InternImage-T, with the classification weights of the authors
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

model = dict(
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
    neck=dict(in_channels=[64, 128, 256, 512]),
)
