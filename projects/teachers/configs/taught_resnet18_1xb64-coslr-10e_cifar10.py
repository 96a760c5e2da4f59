# A model of ImageNet as teacher, no label
_base_ = [
    '../../instances/configs/_base_/vit-small-p16.py',
    '_base_/efficientnet_lite0_32px.py',
]
model = dict(
    backbone=dict(_delete_=True, **_base_.encoder),
    teachers=_base_.teachers,
    objectives=dict(efficientnet=_base_.taught),
)
# the pictures of the supervised row
train_dataloader = dict(dataset=dict(datasets=[_base_.labelled], weights=[1]))
