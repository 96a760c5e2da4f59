_base_ = [
    '../../instances/configs/_base_/supervised.py',
    '_base_/photographs.py',
]
model = dict(
    backbone=dict(_delete_=True, **_base_.encoder),
    objectives=dict(y=dict(target=dict(num_classes=10, embed_dims=128))),
)
# all pictures have a label
train_dataloader = dict(dataset=dict(datasets=[_base_.labelled], weights=[1]))
