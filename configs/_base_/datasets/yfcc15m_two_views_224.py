# YFCC-15M with texts
_base_ = 'two_views_224.py'
train_dataloader = dict(
    dataset=dict(
        type='m3i_mm.SourceDataset',
        source=dict(
            type='m3i_mm.ShardSource',
            urls='data/yfcc15m/{00000..01530}.tar',
            samples_per_shard=10000,
            name='YFCC-15M',
        ),
        pipeline={{_base_.captioned_pipeline}},
    )
)
