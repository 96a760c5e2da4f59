_base_ = 'flash-internimage-t_32xb128-amp-coslr-300e_in1k.py'

model = dict(
    backbone=dict(arch='base', drop_path_rate=0.5),
    neck=dict(in_channels=896, out_channels=1344),
    head=dict(in_channels=1344),
)
