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
# chosen on the validation part among 3e-3, 6e-3 and this
optim_wrapper = dict(optimizer=dict(lr=1.2e-2))
