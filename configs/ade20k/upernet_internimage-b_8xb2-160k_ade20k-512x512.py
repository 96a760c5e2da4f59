_base_ = [
    '../_base_/models/upernet_internimage-b.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/upernet_160k.py',
    'mmseg::_base_/default_runtime.py',
]

model = dict(data_preprocessor=dict(size=_base_.crop_size))
