# The Objects365 stage, as the InternImage paper describes it (appendix): 26
# epochs at batch size 256, a tenth of the rate from epoch 22
_base_ = './dino-4scale_o365-pre_20k.py'

data_root = 'data/Objects365/Obj365_v2/'
model = dict(bbox_head=dict(num_classes=365))
dataset = dict(type='Objects365V2Dataset', data_root=data_root)
train_dataloader = dict(
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True),
    dataset=dict(
        **dataset,
        ann_file='annotations/zhiyuan_objv2_train.json',
        data_prefix=dict(img='train/'),
    ),
)
val_dataloader = dict(
    dataset=dict(
        **dataset,
        ann_file='annotations/zhiyuan_objv2_val.json',
        data_prefix=dict(img='val/'),
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/zhiyuan_objv2_val.json')
test_evaluator = val_evaluator

optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='MultiStepLR', by_epoch=True, end=26, milestones=[22]),
]
train_cfg = dict(
    _delete_=True, type='EpochBasedTrainLoop', max_epochs=26, val_interval=1
)
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=1))
log_processor = dict(by_epoch=True)
auto_scale_lr = dict(base_batch_size=256)
