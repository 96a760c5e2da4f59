_base_ = 'flash-internimage-t_32xb128-amp-coslr-300e_in1k.py'

model = dict(
    backbone=dict(arch='small', drop_path_rate=0.4),
    neck=dict(in_channels=640, out_channels=960),
    head=dict(in_channels=960),
)
