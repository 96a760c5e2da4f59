# Mask R-CNN of 64 channels, at a size for pictures of 256 px and two CPU cores
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

dims = 64
model = dict(
    neck=dict(out_channels=dims),
    rpn_head=dict(
        in_channels=dims,
        feat_channels=dims,
        # objects of 32 px and more
        anchor_generator=dict(scales=[4]),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=dims),
        bbox_head=dict(in_channels=dims, fc_out_channels=256),
        mask_roi_extractor=dict(out_channels=dims),
        mask_head=dict(in_channels=dims, conv_out_channels=dims, num_convs=2),
    ),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=500, max_per_img=200),
        rcnn=dict(sampler=dict(num=128)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=200)),
)
