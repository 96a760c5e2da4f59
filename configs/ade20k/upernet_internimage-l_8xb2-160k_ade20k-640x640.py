_base_ = [
    '../_base_/models/upernet_internimage-l.py',
    '../_base_/datasets/ade20k_640x640.py',
    '../_base_/schedules/upernet_160k_layer-decay.py',
    'mmseg::_base_/default_runtime.py',
]

model = dict(data_preprocessor=dict(size=_base_.crop_size))
# the three sizes of the published multi-scale number
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0] = tta_pipeline[1].transforms[0][1:4]
