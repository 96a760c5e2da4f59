# M3I on InternImage-S
_base_ = 'm3i_internimage-t.py'
model = dict(
    backbone=dict(arch='small', drop_path_rate=0.1),
    neck=dict(in_channels=[320, 640]),
)
