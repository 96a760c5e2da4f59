# NYU Depth V2 in crops of 480 pixels, 40 classes; label 0 is "unlabelled"
_base_ = './ade20k_512x512.py'

crop_size = (480, 480)
scale = (640, 480)
train_pipeline = _base_.train_pipeline
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
nyu = dict(
    _delete_=True,
    type='m3i_mm.datasets.segmentation.NYUDepthV2Dataset',
    data_root='data/nyu_depth_v2/',
    data_prefix=dict(img_path='image', seg_map_path='label40'),
)
train_dataloader = dict(
    batch_size=1,
    dataset=dict(**nyu, ann_file='train.txt', pipeline=train_pipeline),
)
val_dataloader = dict(
    dataset=dict(**nyu, ann_file='test.txt', pipeline=test_pipeline)
)
test_dataloader = val_dataloader
