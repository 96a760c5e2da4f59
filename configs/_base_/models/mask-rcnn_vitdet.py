# Mask R-CNN of ViTDet: a simple feature pyramid, two convolutions in the RPN,
# four in the box head, LayerNorm in both heads
_base_ = [
    'mmdet::_base_/models/mask-rcnn_r50_fpn.py',
    '../backbones/vitdet-b.py',
]

norm_cfg = dict(type='mmpretrain.LN2d')

model = dict(
    data_preprocessor=dict(
        # train on squares of one size, as window attention is fastest there
        batch_augments=[
            dict(type='BatchFixedSizePad', size=(1024, 1024), pad_mask=True)
        ]
    ),
    backbone=dict(
        _delete_=True, **_base_.backbone, init_cfg=_base_.pretrained
    ),
    neck=dict(
        _delete_=True,
        type='m3i_mm.SimpleFeaturePyramid',
        in_channels=768,
        out_channels=256,
        num_outs=5,
    ),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(
            type='Shared4Conv1FCBBoxHead',
            conv_out_channels=256,
            norm_cfg=norm_cfg,
        ),
        mask_head=dict(norm_cfg=norm_cfg),
    ),
)
