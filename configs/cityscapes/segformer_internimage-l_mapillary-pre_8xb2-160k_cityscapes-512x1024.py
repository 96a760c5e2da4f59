_base_ = [
    '../_base_/models/segformer_internimage-l.py',
    '../_base_/datasets/cityscapes-coarse_512x1024.py',
    '../_base_/schedules/upernet_160k_layer-decay.py',
    'mmseg::_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(init_cfg=None),
)
load_from = (
    'work_dirs/segformer_internimage-l_8xb2-80k_mapillary-512x1024/'
    'iter_80000.pth'
)
