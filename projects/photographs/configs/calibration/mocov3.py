_base_ = ['../_base_/mocov3-128.py', '_base_/cifar10.py']
model = dict(backbone=dict(_delete_=True, **_base_.encoder))
