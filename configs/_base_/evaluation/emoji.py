# Evaluation of frozen features on data/emoji, see data/emoji/README.md.
#
# identity: the same concept drawn by a vendor that was never trained on
# knn, linear: group and subgroup of unseen families by an unseen vendor
# caption: image to text, of seen and of unseen families; a model without a
# text target leaves these out by val_evaluator = _base_.image_metrics
evaluation_pipeline = [
    dict(type='m3i_mm.DecodeImage'),
    dict(type='m3i_mm.Background', color=(255, 255, 255)),
    dict(type='m3i_mm.CenterView', size=64),
    dict(
        type='m3i_mm.Labels',
        fields=dict(
            concept='concept', group='group_id', subgroup='subgroup_id'
        ),
    ),
    dict(type='m3i_mm.ChooseText', templates='{name}; {keywords}'),
    dict(type='m3i_mm.Tokenize'),
    dict(
        type='mmpretrain.PackInputs',
        algorithm_keys=('concept', 'group', 'subgroup', 'text_tokens'),
        meta_keys=('sample_key', 'text'),
    ),
]
training_vendors = ['twemoji', 'openmoji', 'fluent-flat', 'fluent-3d']
val_source = dict(type='m3i_mm.ShardSource', urls='data/emoji/val-*.tar.gz')

val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    # the training pictures: 4 vendors, 4 of 5 families
    bank=dict(
        dataset=dict(
            type='m3i_mm.SourceDataset',
            source=dict(
                type='m3i_mm.ShardSource', urls='data/emoji/train-*.tar.gz'
            ),
            pipeline=evaluation_pipeline,
        )
    ),
    # the other families by the same vendors
    others=dict(
        dataset=dict(
            type='m3i_mm.SourceDataset',
            source=val_source,
            where=dict(vendor=training_vendors),
            pipeline=evaluation_pipeline,
        )
    ),
    # the held-out vendor: families that were trained on, and those that not
    seen=dict(
        dataset=dict(
            type='m3i_mm.SourceDataset',
            source=val_source,
            where=dict(vendor='noto', heldout_family=False),
            pipeline=evaluation_pipeline,
        )
    ),
    unseen=dict(
        dataset=dict(
            type='m3i_mm.SourceDataset',
            source=val_source,
            where=dict(vendor='noto', heldout_family=True),
            pipeline=evaluation_pipeline,
        )
    ),
)
on_unseen = dict(query='unseen', scaling='standardize')
image_metrics = [
    dict(
        type='m3i_mm.InstanceRetrieval',
        field='concept',
        query=['seen', 'unseen'],
        gallery=['bank', 'others'],
        scaling='standardize',
        prefix='identity',
    ),
    dict(type='m3i_mm.KNNAccuracy', field='group', k=10, **on_unseen),
    dict(type='m3i_mm.KNNAccuracy', field='subgroup', k=10, **on_unseen),
    dict(type='m3i_mm.LinearProbe', field='group', **on_unseen),
    dict(type='m3i_mm.LinearProbe', field='subgroup', **on_unseen),
]
text_metrics = [
    dict(
        type='m3i_mm.ImageTextRetrieval', query='seen', prefix='caption_seen'
    ),
    dict(
        type='m3i_mm.ImageTextRetrieval',
        query='unseen',
        prefix='caption_unseen',
    ),
]
val_evaluator = image_metrics + text_metrics
val_cfg = dict(type='m3i_mm.FeatureEvalLoop')

test_dataloader = val_dataloader
test_evaluator = val_evaluator
test_cfg = val_cfg
