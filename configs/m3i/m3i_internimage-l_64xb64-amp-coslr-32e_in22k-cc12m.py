_base_ = [
    '../_base_/models/m3i_internimage-l.py',
    '../_base_/datasets/in22k-cc12m_two_views_224.py',
    '../_base_/schedules/m3i_4096_adamw_32e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(with_cp=True),
    objectives=dict(category=dict(target=dict(num_classes=21841))),
)
train_dataloader = dict(batch_size=64)
