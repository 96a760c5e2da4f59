# PASCAL Context in crops of 480 pixels, its 59 most frequent classes
_base_ = './ade20k_512x512.py'

crop_size = (480, 480)
scale = (4096, 520)
train_pipeline = _base_.train_pipeline
train_pipeline[2].scale = (520, 520)
train_pipeline[3].crop_size = crop_size
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = scale
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0] = [
    dict(
        type='Resize',
        scale=tuple(int(side * ratio) for side in scale),
        keep_ratio=True,
    )
    for ratio in _base_.img_ratios
]
context = dict(
    _delete_=True,
    type='PascalContextDataset59',
    data_root='data/VOCdevkit/VOC2010/',
    data_prefix=dict(
        img_path='JPEGImages', seg_map_path='SegmentationClassContext'
    ),
)
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        **context,
        ann_file='ImageSets/SegmentationContext/train.txt',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        **context,
        ann_file='ImageSets/SegmentationContext/val.txt',
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
