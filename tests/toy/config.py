default_scope = 'mmpretrain'
custom_imports = dict(imports=['m3i_mm.engine', 'toy.training'])
model = dict(type='ToyModel')
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    dataset=dict(type='ToyImages'),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=0,
    dataset=dict(type='ToyImages', length=8),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='ToyAccuracy')
test_evaluator = val_evaluator
train_cfg = dict(by_epoch=True, max_epochs=2)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9))
param_scheduler = dict(
    type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True
)
auto_scale_lr = dict(base_batch_size=8)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    nonfinite_loss=dict(type='m3i_mm.NonFiniteLossHook'),
    progress_bar=dict(type='m3i_mm.ProgressBarHook'),
)
env_cfg = dict(cudnn_benchmark=False)
randomness = dict(seed=0)
