# What frozen features of 32 px know of photographs, and of emoji:
#
# knn, linear: CIFAR-10, half of the test set, by 5,000 labelled pictures
# few: the same by 500, 1 % of the training set
# caption: Flickr8k, 1,000 pictures and their five captions each
# segmentation: CamVid, every second test frame, by a linear probe of places
# transfer: emoji by a vendor that none of the labelled ones are from
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
)
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
        view,
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
category_sets = {
    name: dict(
        dataset=dict(
            type='m3i_mm.SourceDataset',
            source=dict(source, urls=f'{photographs}cifar10/{source["urls"]}'),
            pipeline=cifar10_pipeline,
        )
    )
    for name, source in cifar10.items()
}
text_sets = {
    name: dict(
        dataset=dict(
            type='m3i_mm.SourceDataset',
            source=dict(
                type='m3i_mm.ShardSource',
                urls=photographs + 'captions/test-*.tar',
            ),
            pipeline=pipeline,
        )
    )
    for name, pipeline in flickr8k.items()
}
place_sets = {
    f'camvid_{split}': dict(
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
    for split, count, every in (('train', 367, 4), ('test', 233, 2))
}
transfer_sets = dict(
    emoji=dict(
        dataset=dict(
            type='m3i_mm.SourceDataset',
            source=dict(
                type='m3i_mm.ShardSource', urls='data/emoji/train-*.tar.gz'
            ),
            pipeline=emoji_pipeline,
        )
    ),
    emoji_noto=dict(
        dataset=dict(
            type='m3i_mm.SourceDataset',
            source=dict(
                type='m3i_mm.ShardSource', urls='data/emoji/val-*.tar.gz'
            ),
            where=dict(vendor='noto'),
            pipeline=emoji_pipeline,
        )
    ),
)
# for a model without a text target, with image_metrics + place_metrics
image_dataloader = dict(
    batch_size=100,
    num_workers=0,
    **category_sets,
    **transfer_sets,
    **place_sets,
)
val_dataloader = dict(**image_dataloader, **text_sets)
image_metrics = [
    dict(type='m3i_mm.KNNAccuracy', k=20, scaling='standardize'),
    dict(type='m3i_mm.LinearProbe'),
    dict(type='m3i_mm.LinearProbe', bank='few', prefix='few'),
    dict(
        type='m3i_mm.LinearProbe',
        field='group',
        bank='emoji',
        query='emoji_noto',
        prefix='transfer',
    ),
]
place_metrics = [
    dict(
        type='m3i_mm.SegmentationProbe',
        classes=camvid_classes,
        bank='camvid_train',
        query='camvid_test',
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
test_dataloader = val_dataloader
test_evaluator = val_evaluator
test_cfg = val_cfg
