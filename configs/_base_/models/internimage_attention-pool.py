# InternImage-H with the attention-pooling head of H and G
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='m3i_mm.InternImage',
        arch='huge',
        out_indices=(2, 3),
        drop_path_rate=0.2,
    ),
    neck=[
        dict(
            type='m3i_mm.StageFusion',
            in_channels=(1280, 2560),
            out_channels=1024,
        ),
        dict(
            type='m3i_mm.AttentionPoolingNeck',
            in_channels=1024,
            out_channels=768,
        ),
    ],
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=768,
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.02),
        loss=dict(
            type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'
        ),
    ),
)
