_base_ = [
    '../_base_/models/upernet_internimage-h.py',
    '../_base_/datasets/ade20k_896x896.py',
    '../_base_/schedules/upernet_160k_layer-decay.py',
    'mmseg::_base_/default_runtime.py',
]

model = dict(data_preprocessor=dict(size=_base_.crop_size))
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.95))
