# The joint data of the paper: 427 million public image-text pairs (LAION-400M,
# YFCC-15M, CC12M) and ImageNet-22k, in proportion to their size
_base_ = 'in22k-cc12m_two_views_224.py'
laion = dict(
    type='m3i_mm.SourceDataset',
    source=dict(
        type='m3i_mm.ShardSource',
        urls='data/laion400m/{00000..41407}.tar',
        samples_per_shard=10000,
        name='LAION-400M',
    ),
    pipeline={{_base_.captioned_pipeline}},
)
yfcc = dict(
    type='m3i_mm.SourceDataset',
    source=dict(
        type='m3i_mm.ShardSource',
        urls='data/yfcc15m/{00000..01530}.tar',
        samples_per_shard=10000,
        name='YFCC-15M',
    ),
    pipeline={{_base_.captioned_pipeline}},
)
train_dataloader = dict(
    dataset=dict(
        datasets=[
            *_base_.train_dataloader.dataset.datasets,
            laion,
            yfcc,
        ]
    )
)
