# Cascade R-CNN on InternImage-XL, boxes of one class
_base_ = 'mmdet::_base_/models/cascade-rcnn_r50_fpn.py'

roi_head = _base_.model.roi_head
for head in roi_head.bbox_head:
    head.num_classes = 1
del head
model = dict(
    data_preprocessor=dict(pad_size_divisor=32),
    backbone=dict(
        _delete_=True,
        type='m3i_mm.InternImage',
        arch='xlarge',
        layer_scale=1.0,
        drop_path_rate=0.4,
        init_cfg=dict(
            type='Pretrained',
            checkpoint=(
                'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
                'internimage_xl_22k_192to384.pth'
            ),
        ),
    ),
    neck=dict(in_channels=[192, 384, 768, 1536]),
    roi_head=roi_head,
)
