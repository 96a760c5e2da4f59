_base_ = 'internimage-l_in22k-pre_32xb16-amp-coslr-20e_in1k-384.py'

model = dict(
    backbone=dict(arch='xlarge', drop_path_rate=0.2),
    neck=dict(in_channels=1536, out_channels=2304),
    head=dict(in_channels=2304),
)
load_from = 'checkpoints/internimage-xl_in22k-384_1000-classes.pth'
