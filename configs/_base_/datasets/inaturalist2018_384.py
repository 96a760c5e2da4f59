# iNaturalist 2018 at 384 pixels, with time and place of the pictures
_base_ = './imagenet_rand-aug_384.py'

inaturalist = dict(
    _delete_=True,
    type='m3i_mm.datasets.inaturalist.INaturalist2018',
    data_root='data/inat2018/',
)
pack_inputs = dict(type='PackInputs', algorithm_keys=('time', 'place'))
train_pipeline = [*_base_.train_pipeline[:-1], pack_inputs]
test_pipeline = [*_base_.test_pipeline[:-1], pack_inputs]

data_preprocessor = dict(num_classes=8142)
train_dataloader = dict(
    dataset=dict(
        **inaturalist,
        ann_file='train2018.json',
        locations_file='train2018_locations.json',
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        **inaturalist,
        ann_file='val2018.json',
        locations_file='val2018_locations.json',
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
