# What frozen features of 32 px know of photographs, and of emoji:
#
# knn, linear: CIFAR-10, 5,000 pictures by 5,000 labelled ones
# few: the same by 500, 1 % of the training set
# caption: Flickr8k, 1,000 pictures and their five captions each
# segmentation: CamVid, every second frame, by a linear probe of places
# transfer: emoji by a vendor that none of the labelled ones are from
#
# Settings are chosen on the validation part (val_dataloader): a shard of
# CIFAR-10's training set that no training and no probe sees, the pictures for
# development of Flickr8k and of CamVid, and a vendor among those that the test
# learns from. The test part (test_dataloader) chooses nothing.
photographs = 'data/photographs/'
view = dict(type='m3i_mm.CenterView', size=32)
pack_annotated = dict(
    type='mmpretrain.PackInputs',
    algorithm_keys=('group', 'text_tokens', 'gt_seg_map'),
    meta_keys=('sample_key', 'text', 'ori_shape', 'img_path'),
)
cifar10_pipeline = [
    dict(type='m3i_mm.DecodeImage'),
    dict(type='m3i_mm.Labels', fields=dict(gt_label='label')),
    view,
    pack_annotated,
]
cifar10 = dict(
    bank=dict(type='m3i_mm.ShardSource', urls='train-00000.tar.gz'),
    # the shards are shuffled
    few=dict(
        type='m3i_mm.ShardSource',
        urls='train-00000.tar.gz',
        samples_per_shard=500,
    ),
    query=dict(type='m3i_mm.ShardSource', urls='test-00000.tar.gz'),
    val_query=dict(type='m3i_mm.ShardSource', urls='train-00009.tar.gz'),
)
# the picture is that of the first caption; of the others the text counts
flickr8k = {
    f'caption{number}': [
        dict(type='m3i_mm.DecodeImage', reduce=True),
        dict(
            type='m3i_mm.ChooseText',
            templates='{captions}',
            pick=('captions',),
            entry=number,
        ),
        dict(type='m3i_mm.Tokenize', tokenizer='clip'),
        view if number == 0 else dict(view, size=8),
        pack_annotated,
    ]
    for number in range(5)
}
camvid_classes = (
    *('sky', 'building', 'pole', 'road', 'pavement', 'tree'),
    *('sign-symbol', 'fence', 'car', 'pedestrian', 'bicyclist'),
)
camvid_pipeline = [
    dict(type='LoadImageFromFile'),
    # the label maps keep their size
    dict(type='Resize', scale=(128, 96)),
    dict(type='mmseg.LoadAnnotations'),
    pack_annotated,
]
emoji_pipeline = [
    dict(type='m3i_mm.DecodeImage'),
    dict(type='m3i_mm.Background', color=(255, 255, 255)),
    view,
    dict(type='m3i_mm.Labels', fields=dict(group='group_id')),
    pack_annotated,
]
cifar10_sets = {
    name: dict(
        dataset=dict(
            type='m3i_mm.SourceDataset',
            source=dict(source, urls=f'{photographs}cifar10/{source["urls"]}'),
            pipeline=cifar10_pipeline,
        )
    )
    for name, source in cifar10.items()
}
flickr8k_sets = {
    split: {
        name: dict(
            dataset=dict(
                type='m3i_mm.SourceDataset',
                source=dict(
                    type='m3i_mm.ShardSource',
                    urls=f'{photographs}captions/{split}-*.tar',
                ),
                pipeline=pipeline,
            )
        )
        for name, pipeline in flickr8k.items()
    }
    for split in ('val', 'test')
}
camvid_sets = {
    split: dict(
        dataset=dict(
            type='mmseg.BaseSegDataset',
            data_root=photographs + 'camvid',
            data_prefix=dict(
                img_path=f'img/{split}', seg_map_path=f'ann/{split}'
            ),
            metainfo=dict(classes=camvid_classes),
            # frames of a video: neighbours look alike
            indices=list(range(0, count, every)),
            pipeline=camvid_pipeline,
        )
    )
    for split, count, every in (
        ('train', 367, 4),
        ('val', 101, 2),
        ('test', 233, 2),
    )
}
emoji_sets = {
    name: dict(
        dataset=dict(
            type='m3i_mm.SourceDataset',
            source=dict(
                type='m3i_mm.ShardSource', urls=f'data/emoji/{urls}-*.tar.gz'
            ),
            where=where,
            pipeline=emoji_pipeline,
        )
    )
    for name, urls, where in (
        ('all', 'train', None),
        (
            'three',
            'train',
            dict(vendor=['twemoji', 'openmoji', 'fluent-flat']),
        ),
        ('fourth', 'train', dict(vendor='fluent-3d')),
        ('noto', 'val', dict(vendor='noto')),
    )
}
# both parts have sets of the same names
category_sets = dict(
    bank=cifar10_sets['bank'],
    few=cifar10_sets['few'],
    query=cifar10_sets['query'],
)
text_sets = flickr8k_sets['test']
place_sets = dict(
    camvid_bank=camvid_sets['train'], camvid_query=camvid_sets['test']
)
transfer_sets = dict(
    emoji_bank=emoji_sets['all'], emoji_query=emoji_sets['noto']
)
val_category_sets = dict(category_sets, query=cifar10_sets['val_query'])
val_text_sets = flickr8k_sets['val']
val_place_sets = dict(place_sets, camvid_query=camvid_sets['val'])
val_transfer_sets = dict(
    emoji_bank=emoji_sets['three'], emoji_query=emoji_sets['fourth']
)
# for a model without a text target, with image_metrics + place_metrics
image_dataloader = dict(
    batch_size=100,
    num_workers=0,
    **category_sets,
    **transfer_sets,
    **place_sets,
)
val_image_dataloader = dict(
    batch_size=100,
    num_workers=0,
    **val_category_sets,
    **val_transfer_sets,
    **val_place_sets,
)
val_dataloader = dict(**val_image_dataloader, **val_text_sets)
image_metrics = [
    dict(type='m3i_mm.KNNAccuracy', k=20, scaling='standardize'),
    dict(type='m3i_mm.LinearProbe'),
    dict(type='m3i_mm.LinearProbe', bank='few', prefix='few'),
    dict(
        type='m3i_mm.LinearProbe',
        field='group',
        bank='emoji_bank',
        query='emoji_query',
        prefix='transfer',
    ),
]
place_metrics = [
    dict(
        type='m3i_mm.SegmentationProbe',
        classes=camvid_classes,
        bank='camvid_bank',
        query='camvid_query',
    )
]
text_metrics = [
    dict(
        type='m3i_mm.ImageTextRetrieval',
        query=list(text_sets),
        text_field='text',
    )
]
val_evaluator = image_metrics + place_metrics + text_metrics
val_cfg = dict(type='m3i_mm.FeatureEvalLoop')
test_dataloader = dict(**image_dataloader, **text_sets)
test_evaluator = val_evaluator
test_cfg = val_cfg
