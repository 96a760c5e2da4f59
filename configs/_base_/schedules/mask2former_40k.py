_base_ = './mask2former_80k.py'

param_scheduler = _base_.param_scheduler
param_scheduler[1].end = 40001
optim_wrapper = dict(clip_grad=None)
train_cfg = dict(max_iters=40000, val_interval=4000)
