# A segmentor of street scenes on the encoder of the rows, its maps at strides
# 2, 4 and 8; pictures of half their size, crops for training
_base_ = [
    '../../../../configs/_base_/models/resnet18_32px.py',
    '../../../../configs/_base_/models/upernet-64.py',
    '_base_/camvid_240x180.py',
    '_base_/schedule.py',
    'mmseg::_base_/default_runtime.py',
]
channels = [32, 64, 128]
classes = 11
model = dict(
    data_preprocessor=dict(size=_base_.crop),
    backbone=dict(_delete_=True, **_base_.encoder),
    decode_head=dict(in_channels=channels, channels=32, num_classes=classes),
    auxiliary_head=dict(
        in_channels=channels[-1], channels=32, num_classes=classes
    ),
)
# every map
model['backbone']['out_indices'] = (0, 1, 2)
log_processor = dict(by_epoch=True)
