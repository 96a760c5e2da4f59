_base_ = [
    '../_base_/models/upernet_internimage-l.py',
    'mmseg::_base_/datasets/cityscapes.py',
    '../_base_/schedules/upernet_160k_layer-decay.py',
    'mmseg::_base_/default_runtime.py',
]

model = dict(data_preprocessor=dict(size=_base_.crop_size))
