# InternImage-T with the convolutional head of T to XL
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='m3i_mm.InternImage',
        arch='tiny',
        out_indices=(3,),
        drop_path_rate=0.1,
    ),
    neck=dict(
        type='m3i_mm.ConvPoolingNeck', in_channels=512, out_channels=768
    ),
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
