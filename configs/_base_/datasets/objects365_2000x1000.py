# Objects365 v2 at large sizes, epoch by epoch
_base_ = './detection_2000x1000.py'

data_root = 'data/Objects365/Obj365_v2/'
objects365 = dict(type='Objects365V2Dataset', data_root=data_root)
val_file = 'annotations/zhiyuan_objv2_val.json'
train_loader = _base_.train_loader
train_loader.sampler = dict(type='DefaultSampler', shuffle=True)
train_dataloader = dict(
    **train_loader,
    dataset=dict(
        **objects365,
        ann_file='annotations/zhiyuan_objv2_train.json',
        data_prefix=dict(img='train/'),
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=_base_.train_pipeline,
    ),
)
val_dataloader = dict(
    **_base_.test_loader,
    dataset=dict(
        **objects365,
        ann_file=val_file,
        data_prefix=dict(img='val/'),
        test_mode=True,
        pipeline=_base_.test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='CocoMetric', ann_file=data_root + val_file, metric='bbox'
)
test_evaluator = val_evaluator
