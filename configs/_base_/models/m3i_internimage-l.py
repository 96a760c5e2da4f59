# M3I on InternImage-L
_base_ = 'm3i_internimage-t.py'
model = dict(
    backbone=dict(arch='large', drop_path_rate=0.2),
    neck=dict(in_channels=[640, 1280]),
)
