_base_ = ['_base_/mocov3-128.py', '_base_/photographs.py']
model = dict(backbone=dict(_delete_=True, **_base_.encoder))
# chosen on the validation part among 3e-3, 6e-3 and 1.2e-2
optim_wrapper = dict(optimizer=dict(lr=1.2e-2))
