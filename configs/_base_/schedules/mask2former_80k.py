# 80k iterations at batch size 16, layer-wise decay of 0.95
_base_ = './upernet_80k_layer-decay.py'

optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.95))
