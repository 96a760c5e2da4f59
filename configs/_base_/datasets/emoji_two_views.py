# The embedded emoji for pre-training: two 64 px views of every drawing, with
# the concept as label, its groups, and a caption.
data_root = 'data/emoji/'
view_size = 64

data_preprocessor = dict(
    type='mmpretrain.SelfSupDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)

# half of the views on white, as in the evaluation; colours say much about an
# emoji, so the jitter is mild
random_view = [
    dict(
        type='RandomChoice',
        transforms=[
            [dict(type='m3i_mm.Background')],
            [dict(type='m3i_mm.Background', color=(255, 255, 255))],
        ],
    ),
    dict(type='m3i_mm.RandomView', size=view_size, scale=(0.5, 1.0)),
    dict(
        type='m3i_mm.ColorMatrix',
        brightness=0.2,
        contrast=0.2,
        saturation=0.2,
        hue=0.02,
        prob=0.5,
        gray_prob=0.05,
    ),
]
annotations = [
    dict(
        type='m3i_mm.Labels',
        fields=dict(
            gt_label='concept', group='group_id', subgroup='subgroup_id'
        ),
    ),
    dict(
        type='m3i_mm.ChooseText',
        templates=['{name}; {keywords}', 'a {vendor} drawing of {name}'],
    ),
    dict(type='m3i_mm.Tokenize', tokenizer='clip'),
]
pack_inputs = dict(
    type='mmpretrain.PackInputs',
    algorithm_keys=('group', 'subgroup', 'text_tokens', 'view_geometry'),
    meta_keys=('sample_key', 'source'),
)
train_pipeline = [
    dict(type='m3i_mm.DecodeImage'),
    *annotations,
    dict(
        type='m3i_mm.MultiViewWithGeometry',
        transforms=[random_view, random_view],
    ),
    pack_inputs,
]

train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    collate_fn=dict(type='m3i_mm.collate_annotated'),
    sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='m3i_mm.StreamBatchSampler'),
    dataset=dict(
        type='m3i_mm.SourceDataset',
        source=dict(
            type='m3i_mm.ShardSource', urls=data_root + 'train-*.tar.gz'
        ),
        pipeline=train_pipeline,
        # all shards: drawings are in no order that should show in a batch
        window=8,
    ),
)

custom_hooks = [
    dict(type='m3i_mm.ResumeStateHook'),
    dict(type='m3i_mm.DataReportHook'),
]
