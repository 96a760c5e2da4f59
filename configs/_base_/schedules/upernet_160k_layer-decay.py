# for the backbones with ImageNet-22K weights
_base_ = './upernet_160k.py'

optim_wrapper = dict(
    optimizer=dict(lr=2e-5),
    clip_grad=dict(max_norm=0.1, norm_type=2),
    paramwise_cfg=dict(layer_decay_rate=0.94),
)
