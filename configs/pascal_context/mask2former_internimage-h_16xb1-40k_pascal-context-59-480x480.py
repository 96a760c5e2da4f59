_base_ = [
    '../_base_/models/mask2former_internimage-h.py',
    '../_base_/datasets/pascal-context-59_480x480.py',
    '../_base_/schedules/mask2former_40k.py',
    'mmseg::_base_/default_runtime.py',
]

num_classes = 59
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(
        num_classes=num_classes,
        # the last class is "no object"
        loss_cls=dict(class_weight=[1.0] * num_classes + [0.1]),
    ),
)
