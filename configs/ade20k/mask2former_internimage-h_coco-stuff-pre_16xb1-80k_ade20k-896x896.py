_base_ = [
    '../_base_/models/mask2former-1024_internimage-h.py',
    '../_base_/datasets/ade20k_896x896.py',
    '../_base_/schedules/mask2former_80k.py',
    'mmseg::_base_/default_runtime.py',
]

num_classes = 150
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(init_cfg=None),
    decode_head=dict(
        num_classes=num_classes,
        # the last class is "no object"
        loss_cls=dict(class_weight=[1.0] * num_classes + [0.1]),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=1e-5))
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0] = [
    dict(type='Resize', scale=(4 * side, side), keep_ratio=True)
    for side in (768, 832, 896, 960, 1024)
]
load_from = (
    'work_dirs/mask2former_internimage-h_16xb1-80k_coco-stuff164k-896x896/'
    'iter_80000.pth'
)
