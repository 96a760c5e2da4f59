# Cascade Mask R-CNN on InternImage-L, with heads of four convolutions and a
# class-wise GIoU loss
_base_ = 'mmdet::_base_/models/cascade-mask-rcnn_r50_fpn.py'

# standard deviations of the regression targets, stage by stage
target_stds = (
    [0.1, 0.1, 0.2, 0.2],
    [0.05, 0.05, 0.1, 0.1],
    [0.033, 0.033, 0.067, 0.067],
)
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
    neck=dict(in_channels=[160, 320, 640, 1280]),
    roi_head=dict(
        bbox_head=[
            dict(
                type='ConvFCBBoxHead',
                num_shared_convs=4,
                num_shared_fcs=1,
                in_channels=256,
                conv_out_channels=256,
                fc_out_channels=1024,
                roi_feat_size=7,
                num_classes=80,
                bbox_coder=dict(
                    type='DeltaXYWHBBoxCoder',
                    target_means=[0.0, 0.0, 0.0, 0.0],
                    target_stds=stds,
                ),
                reg_class_agnostic=False,
                reg_decoded_bbox=True,
                norm_cfg=dict(type='SyncBN', requires_grad=True),
                loss_cls=dict(type='CrossEntropyLoss'),
                loss_bbox=dict(type='GIoULoss', loss_weight=10.0),
            )
            for stds in target_stds
        ]
    ),
)
