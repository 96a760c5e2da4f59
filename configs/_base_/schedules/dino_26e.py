# The Objects365 stage, as the InternImage paper describes it (appendix): 26
# epochs at batch size 256, a tenth of the rate from epoch 22
_base_ = './dino_20k.py'

optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='MultiStepLR', by_epoch=True, end=26, milestones=[22]),
]
train_cfg = dict(
    _delete_=True, type='EpochBasedTrainLoop', max_epochs=26, val_interval=1
)
auto_scale_lr = dict(base_batch_size=256)
