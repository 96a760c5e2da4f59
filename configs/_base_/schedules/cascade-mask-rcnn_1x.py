_base_ = './mask-rcnn_1x.py'

optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.94))
