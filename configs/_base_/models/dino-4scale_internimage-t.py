# DINO with four feature levels on InternImage-T, classes of COCO
width = 256
attention = dict(embed_dims=width, dropout=0.0)
deformable_attention = dict(num_levels=4, **attention)
feed_forward = dict(embed_dims=width, feedforward_channels=2048, ffn_drop=0.0)

model = dict(
    type='m3i_mm.models.detectors.PublishedDINO',
    num_queries=900,
    with_box_refine=True,
    as_two_stage=True,
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type='m3i_mm.InternImage',
        arch='tiny',
        layer_scale=1.0,
        drop_path_rate=0.2,
        with_cp=True,
        out_indices=(1, 2, 3),
        init_cfg=dict(
            type='Pretrained',
            checkpoint=(
                'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
                'internimage_t_1k_224.pth'
            ),
        ),
    ),
    neck=dict(
        type='ChannelMapper',
        in_channels=[128, 256, 512],
        kernel_size=1,
        out_channels=width,
        act_cfg=None,
        norm_cfg=dict(type='GN', num_groups=32),
        num_outs=4,
    ),
    encoder=dict(
        num_layers=6,
        layer_cfg=dict(
            self_attn_cfg=deformable_attention, ffn_cfg=feed_forward
        ),
    ),
    decoder=dict(
        num_layers=6,
        return_intermediate=True,
        layer_cfg=dict(
            self_attn_cfg=dict(num_heads=8, **attention),
            cross_attn_cfg=deformable_attention,
            ffn_cfg=feed_forward,
        ),
        post_norm_cfg=None,
    ),
    positional_encoding=dict(
        num_feats=width // 2, normalize=True, offset=0.0, temperature=20
    ),
    bbox_head=dict(
        type='m3i_mm.models.detectors.PublishedDINOHead',
        num_classes=80,
        sync_cls_avg_factor=True,
        loss_cls=dict(
            type='FocalLoss',
            use_sigmoid=True,
            gamma=2.0,
            alpha=0.25,
            loss_weight=1.0,
        ),
        loss_bbox=dict(type='L1Loss', loss_weight=5.0),
        loss_iou=dict(type='GIoULoss', loss_weight=2.0),
    ),
    dn_cfg=dict(
        label_noise_scale=0.5,
        box_noise_scale=1.0,
        group_cfg=dict(dynamic=True, num_groups=None, num_dn_queries=100),
    ),
    train_cfg=dict(
        assigner=dict(
            type='HungarianAssigner',
            match_costs=[
                dict(type='FocalLossCost', weight=2.0),
                dict(type='BBoxL1Cost', weight=5.0, box_format='xywh'),
                dict(type='IoUCost', iou_mode='giou', weight=2.0),
            ],
        )
    ),
    # the published number is of 100 detections; the other sizes have 300
    test_cfg=dict(max_per_img=100),
)
