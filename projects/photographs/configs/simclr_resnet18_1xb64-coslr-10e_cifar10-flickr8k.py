_base_ = ['../../instances/configs/_base_/simclr.py', '_base_/photographs.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.encoder),
    neck=dict(in_channels=128, hid_channels=512, out_channels=128),
)
