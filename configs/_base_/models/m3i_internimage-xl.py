# M3I on InternImage-XL
_base_ = 'm3i_internimage-t.py'
model = dict(
    backbone=dict(arch='xlarge', drop_path_rate=0.2),
    neck=dict(in_channels=[768, 1536]),
)
