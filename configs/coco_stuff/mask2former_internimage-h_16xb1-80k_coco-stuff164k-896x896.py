_base_ = [
    '../_base_/models/mask2former-1024_internimage-h.py',
    '../_base_/datasets/coco-stuff164k_896x896.py',
    '../_base_/schedules/mask2former_80k.py',
    'mmseg::_base_/default_runtime.py',
]

num_classes = 171
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(
        num_classes=num_classes,
        # the last class is "no object"
        loss_cls=dict(class_weight=[1.0] * num_classes + [0.1]),
    ),
)
optim_wrapper = dict(clip_grad=None)
