_base_ = [
    '../_base_/models/segformer_internimage-l.py',
    '../_base_/datasets/mapillary_512x1024.py',
    '../_base_/schedules/upernet_80k_layer-decay.py',
    'mmseg::_base_/default_runtime.py',
]

model = dict(data_preprocessor=dict(size=_base_.crop_size))
