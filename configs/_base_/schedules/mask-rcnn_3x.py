_base_ = './mask-rcnn_1x.py'

train_cfg = dict(max_epochs=36)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='MultiStepLR', by_epoch=True, end=36, milestones=[27, 33]),
]
