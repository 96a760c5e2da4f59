# The billion-parameter model of the paper: 30 epochs of 427 million pairs, in
# one stage, sharded over the devices. The published optimiser settings are
# unknown; README.md says what stands here instead.
_base_ = [
    '../_base_/models/m3i_internimage-h.py',
    '../_base_/datasets/joint427m-in22k_two_views_224.py',
    '../_base_/schedules/m3i_4096_adamw_32e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(with_cp=True),
    objectives=dict(category=dict(target=dict(num_classes=21841))),
)
train_dataloader = dict(batch_size=128)
runner_type = 'FlexibleRunner'
strategy = dict(type='m3i_mm.ShardedStrategy')
optim_wrapper = dict(
    type='m3i_mm.ShardedOptimWrapper',
    paramwise_cfg=dict(offset_lr_scale=0.1),
)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-4,
        end=0.6,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=0.0,
        begin=0.6,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(max_epochs=30)
# a slower average for a hundred thousand steps
custom_hooks = [
    dict(type='m3i_mm.ResumeStateHook'),
    dict(type='m3i_mm.DataReportHook'),
    dict(type='m3i_mm.MomentumUpdateHook', start=0.9998),
]
auto_scale_lr = dict(base_batch_size=32768)
