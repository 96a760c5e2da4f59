_base_ = ['../../../instances/configs/_base_/simclr.py', '_base_/cifar10.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.encoder), neck=_base_.projector
)
