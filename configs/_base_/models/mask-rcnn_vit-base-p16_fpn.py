# Mask R-CNN of ViTDet: a simple feature pyramid, two convolutions in the RPN,
# four in the box head, LayerNorm in both heads. Give the pre-trained weights
# by --cfg-options model.backbone.init_cfg.checkpoint=FILE
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

norm_cfg = dict(type='mmpretrain.LN2d')

model = dict(
    # always squares of 1024 pixels, to which windows and positions belong
    data_preprocessor=dict(pad_size_divisor=1024),
    backbone=dict(
        _delete_=True,
        type='m3i_mm.models.backbones.vitdet.ViTDet',
        arch='base',
        img_size=1024,
        window_size=14,
        use_rel_pos=True,
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/m3i_vit-base-p16/backbone.pth',
            prefix='backbone.',
            # relative positions start without effect
            new_weights=['*.rel_pos_[hw]'],
        ),
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
