# COCO at large sizes
_base_ = './detection_2000x1000.py'

data_root = 'data/coco/'
coco = dict(type='CocoDataset', data_root=data_root)
val_file = 'annotations/instances_val2017.json'
train_pipeline = _base_.train_pipeline
train_pipeline[3].scale = [(2000, 600), (2000, 1800)]
train_dataloader = dict(
    **_base_.train_loader,
    dataset=dict(
        **coco,
        ann_file='annotations/instances_train2017.json',
        data_prefix=dict(img='train2017/'),
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    **_base_.test_loader,
    dataset=dict(
        **coco,
        ann_file=val_file,
        data_prefix=dict(img='val2017/'),
        test_mode=True,
        pipeline=_base_.test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='CocoMetric',
    ann_file=data_root + val_file,
    metric='bbox',
    format_only=False,
)
test_evaluator = val_evaluator
