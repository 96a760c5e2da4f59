_base_ = [
    __import__('m3i_mm').get_config_path(
        'ade20k/upernet_internimage-t_8xb2-160k_ade20k-512x512.py'
    )
]
custom_imports = dict(
    imports=['fruits.segmentation'], allow_failed_imports=False
)

data_root = 'data/fruits/'
model = dict(
    decode_head=dict(num_classes=3), auxiliary_head=dict(num_classes=3)
)
# ADE20K's pipelines drop label 0; here it is a class
train_pipeline = _base_.train_pipeline
train_pipeline[1].reduce_zero_label = False
test_pipeline = _base_.test_pipeline
test_pipeline[3].reduce_zero_label = False
train_dataloader = dict(
    dataset=dict(
        type='FruitSegmentation',
        data_root=data_root,
        data_prefix=dict(img_path='train', seg_map_path='train_maps'),
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        type='FruitSegmentation',
        data_root=data_root,
        data_prefix=dict(img_path='val', seg_map_path='val_maps'),
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
