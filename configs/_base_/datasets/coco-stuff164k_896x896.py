# COCO-Stuff 164k in crops of 896 pixels, 171 classes
_base_ = './ade20k_896x896.py'

train_pipeline = _base_.train_pipeline
train_pipeline[1].reduce_zero_label = False
test_pipeline = _base_.test_pipeline
test_pipeline[3].reduce_zero_label = False
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[3][0].reduce_zero_label = False
stuff = dict(
    _delete_=True,
    type='COCOStuffDataset',
    data_root='data/coco_stuff164k',
)
train_dataloader = dict(
    dataset=dict(
        **stuff,
        data_prefix=dict(
            img_path='images/train2017', seg_map_path='annotations/train2017'
        ),
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        **stuff,
        data_prefix=dict(
            img_path='images/val2017', seg_map_path='annotations/val2017'
        ),
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
