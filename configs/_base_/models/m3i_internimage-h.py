# M3I on InternImage-H
_base_ = 'm3i_internimage-t.py'
model = dict(
    backbone=dict(arch='huge', drop_path_rate=0.2),
    neck=dict(in_channels=[1280, 2560]),
)
