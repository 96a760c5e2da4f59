# Labels, and a model of ImageNet as teacher
_base_ = [
    '../../instances/configs/_base_/supervised.py',
    '_base_/efficientnet_lite0_32px.py',
]
model = dict(
    backbone=dict(_delete_=True, **_base_.encoder),
    teachers=_base_.teachers,
    objectives=dict(
        y=dict(target=dict(num_classes=10, embed_dims=128)),
        efficientnet=_base_.taught,
    ),
)
# all pictures have a label
train_dataloader = dict(dataset=dict(datasets=[_base_.labelled], weights=[1]))
# that of the row without a teacher; the runs in results had 3e-3, both
optim_wrapper = dict(optimizer=dict(lr=1.2e-2))
