_base_ = [
    __import__('m3i_mm').get_config_path(
        'coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py'
    )
]
custom_imports = dict(imports=['fruits.detection'], allow_failed_imports=False)

data_root = 'data/fruits/'
model = dict(
    roi_head=dict(bbox_head=dict(num_classes=2), mask_head=dict(num_classes=2))
)
train_dataloader = dict(
    dataset=dict(
        type='FruitDetection',
        data_root=data_root,
        ann_file='train.json',
        data_prefix=dict(img='train/'),
    )
)
val_dataloader = dict(
    dataset=dict(
        type='FruitDetection',
        data_root=data_root,
        ann_file='val.json',
        data_prefix=dict(img='val/'),
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'val.json')
test_evaluator = val_evaluator
