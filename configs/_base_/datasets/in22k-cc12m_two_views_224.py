# ImageNet-22k with labels and CC12M with texts, in proportion to their size
_base_ = 'two_views_224.py'
train_dataloader = dict(
    dataset=dict(
        type='m3i_mm.MixtureDataset',
        datasets=[
            dict(
                type='m3i_mm.SourceDataset',
                source=dict(
                    type='m3i_mm.ImageNetSource',
                    root='data/imagenet22k',
                    split='',
                    num_classes=21841,
                ),
                pipeline={{_base_.labelled_pipeline}},
            ),
            dict(
                type='m3i_mm.SourceDataset',
                source=dict(
                    type='m3i_mm.ShardSource',
                    urls='data/cc12m/{00000..01242}.tar',
                    samples_per_shard=10000,
                    name='CC12M',
                ),
                pipeline={{_base_.captioned_pipeline}},
            ),
        ],
    )
)
