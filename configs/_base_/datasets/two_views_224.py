# Two views of 224 px: the augmentations of SiameseIM (Tao et al., 2023). The
# input view is always blurred, the target view may be solarised.
data_preprocessor = dict(
    type='mmpretrain.SelfSupDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)
random_view = [
    dict(type='m3i_mm.Background'),
    dict(type='m3i_mm.RandomView', size=224, scale=(0.08, 1.0)),
    dict(type='m3i_mm.ColorMatrix'),
]
two_views = dict(
    type='m3i_mm.MultiViewWithGeometry',
    transforms=[
        [*random_view, dict(type='m3i_mm.RandomBlur', prob=1.0)],
        [
            *random_view,
            dict(type='m3i_mm.RandomBlur', prob=0.1),
            dict(type='mmpretrain.Solarize', thr=128, prob=0.2),
        ],
    ],
)
pack_inputs = dict(
    type='mmpretrain.PackInputs',
    algorithm_keys=('text_tokens', 'view_geometry'),
    meta_keys=('sample_key', 'source'),
)
labelled_pipeline = [
    dict(type='m3i_mm.DecodeImage', reduce=True),
    dict(type='m3i_mm.Labels', fields=dict(gt_label='label')),
    two_views,
    pack_inputs,
]
captioned_pipeline = [
    dict(type='m3i_mm.DecodeImage', reduce=True),
    dict(type='m3i_mm.ChooseText', skip_empty=True),
    dict(type='m3i_mm.CleanText'),
    dict(type='m3i_mm.Tokenize', tokenizer='clip'),
    two_views,
    pack_inputs,
]
train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    collate_fn=dict(type='m3i_mm.collate_annotated'),
    sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='m3i_mm.StreamBatchSampler'),
)
custom_hooks = [
    dict(type='m3i_mm.ResumeStateHook'),
    dict(type='m3i_mm.DataReportHook'),
    dict(type='m3i_mm.MomentumUpdateHook', start=0.995),
]
