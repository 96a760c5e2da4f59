# Open Images v6 at large sizes: 601 classes, each drawn as often as any other
_base_ = './detection_2000x1000.py'

annotations = 'annotations/'
open_images = dict(
    type='OpenImagesDataset',
    data_root='data/OpenImages/',
    label_file=annotations + 'class-descriptions-boxable.csv',
    hierarchy_file=annotations + 'bbox_labels_600_hierarchy.json',
)
verified = ('instances', 'image_level_labels')
test_pipeline = _base_.test_pipeline
test_pipeline[3].meta_keys = (*test_pipeline[3].meta_keys, *verified)
tta_pipeline = _base_.tta_pipeline
pack = tta_pipeline[1].transforms[3][0]
pack.meta_keys = (*pack.meta_keys, *verified)
del pack
train_loader = _base_.train_loader
train_loader.sampler = dict(type='ClassAwareSampler', num_sample_class=1)
train_dataloader = dict(
    **train_loader,
    dataset=dict(
        **open_images,
        ann_file=annotations + 'oidv6-train-annotations-bbox.csv',
        data_prefix=dict(img='OpenImages/train/'),
        meta_file=annotations + 'train-image-metas.pkl',
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=_base_.train_pipeline,
    ),
)
val_dataloader = dict(
    **_base_.test_loader,
    dataset=dict(
        **open_images,
        ann_file=annotations + 'validation-annotations-bbox.csv',
        data_prefix=dict(img='OpenImages/validation/'),
        meta_file=annotations + 'validation-image-metas.pkl',
        image_level_ann_file=(
            annotations
            + 'validation-annotations-human-imagelabels-boxable.csv'
        ),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='OpenImagesMetric',
    iou_thrs=0.5,
    ioa_thrs=0.5,
    use_group_of=True,
    get_supercategory=True,
)
test_evaluator = val_evaluator
