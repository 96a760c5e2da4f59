# COCO-Stuff 10k in crops of 512 pixels, 171 classes; label 0 is "unlabelled"
_base_ = './ade20k_512x512.py'

stuff = dict(
    _delete_=True,
    type='COCOStuffDataset',
    data_root='data/coco_stuff10k',
    reduce_zero_label=True,
)
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        **stuff,
        data_prefix=dict(
            img_path='images/train2014', seg_map_path='annotations/train2014'
        ),
        pipeline=_base_.train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        **stuff,
        data_prefix=dict(
            img_path='images/test2014', seg_map_path='annotations/test2014'
        ),
        pipeline=_base_.test_pipeline,
    )
)
test_dataloader = val_dataloader
