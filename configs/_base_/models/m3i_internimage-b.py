# M3I on InternImage-B
_base_ = 'm3i_internimage-t.py'
model = dict(
    backbone=dict(arch='base', drop_path_rate=0.2),
    neck=dict(in_channels=[448, 896]),
)
