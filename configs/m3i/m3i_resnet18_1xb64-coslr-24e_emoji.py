# M3I in small, with the targets of the paper
_base_ = [
    '../_base_/models/m3i_resnet18_emoji.py',
    '../_base_/datasets/emoji_two_views.py',
    '../_base_/schedules/m3i_64_adamw_demo.py',
    '../_base_/evaluation/emoji.py',
    '../_base_/default_runtime.py',
]
train_cfg = dict(max_epochs=24, val_interval=24)
custom_hooks = [
    dict(type='m3i_mm.ResumeStateHook'),
    dict(type='m3i_mm.DataReportHook'),
    dict(type='m3i_mm.ChannelsLastHook'),
    dict(type='m3i_mm.MomentumUpdateHook', start=0.99),
]
