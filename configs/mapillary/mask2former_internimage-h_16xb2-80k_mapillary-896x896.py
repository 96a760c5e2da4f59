_base_ = [
    '../_base_/models/mask2former_internimage-h.py',
    '../_base_/datasets/mapillary_896x896.py',
    '../_base_/schedules/mask2former_80k.py',
    'mmseg::_base_/default_runtime.py',
]

num_classes = 19
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    test_cfg=dict(mode='slide', crop_size=_base_.crop_size, stride=(512, 512)),
    decode_head=dict(
        num_classes=num_classes,
        # the last class is "no object"
        loss_cls=dict(class_weight=[1.0] * num_classes + [0.1]),
    ),
)
auto_scale_lr = dict(base_batch_size=32)
