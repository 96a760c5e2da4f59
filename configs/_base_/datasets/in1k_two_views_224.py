# ImageNet-1k with labels
_base_ = 'two_views_224.py'
data_root = 'data/imagenet'
train_dataloader = dict(
    dataset=dict(
        type='m3i_mm.SourceDataset',
        source=dict(type='m3i_mm.ImageNetSource', root=data_root),
        pipeline={{_base_.labelled_pipeline}},
    )
)
