# Labelled pictures (CIFAR-10) and pictures with texts (Flickr8k) in equal
# shares, two views of 32 px each; projects/photographs/README.md says where
# the sets are. An epoch is 2048 pictures, whatever the sources hold.
data_root = 'data/photographs/'
view_size = 32
data_preprocessor = dict(
    type='mmpretrain.SelfSupDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)
random_view = [
    dict(type='m3i_mm.Background'),
    dict(type='m3i_mm.RandomView', size=view_size, scale=(0.25, 1.0)),
    dict(type='m3i_mm.ColorMatrix'),
]
two_views = dict(
    type='m3i_mm.MultiViewWithGeometry', transforms=[random_view, random_view]
)
pack_inputs = dict(
    type='mmpretrain.PackInputs',
    algorithm_keys=('text_tokens', 'view_geometry'),
    meta_keys=('sample_key', 'source'),
)
labelled = dict(
    type='m3i_mm.SourceDataset',
    # the last shard is kept for the choice of settings
    source=dict(
        type='m3i_mm.ShardSource',
        urls=data_root + 'cifar10/train-{00000..00008}.tar.gz',
    ),
    pipeline=[
        dict(type='m3i_mm.DecodeImage'),
        dict(type='m3i_mm.Labels', fields=dict(gt_label='label')),
        two_views,
        pack_inputs,
    ],
    # all shards stay open, for one costs its unpacking
    window=9,
)
captioned = dict(
    type='m3i_mm.SourceDataset',
    source=dict(
        type='m3i_mm.ShardSource', urls=data_root + 'captions/train-*.tar'
    ),
    pipeline=[
        dict(type='m3i_mm.DecodeImage', reduce=True),
        dict(
            type='m3i_mm.ChooseText',
            templates='{captions}',
            pick=('captions',),
        ),
        dict(type='m3i_mm.Tokenize', tokenizer='clip'),
        two_views,
        pack_inputs,
    ],
    window=6,
)
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    collate_fn=dict(type='m3i_mm.collate_annotated'),
    sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='m3i_mm.StreamBatchSampler'),
    dataset=dict(
        type='m3i_mm.MixtureDataset',
        datasets=[labelled, captioned],
        weights=[1, 1],
        epoch_size=2048,
    ),
)
custom_hooks = [
    dict(type='m3i_mm.ResumeStateHook'),
    dict(type='m3i_mm.DataReportHook'),
    dict(type='m3i_mm.ChannelsLastHook'),
    dict(type='m3i_mm.MomentumUpdateHook', start=0.99),
]
