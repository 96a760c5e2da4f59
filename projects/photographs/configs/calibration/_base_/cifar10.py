# CIFAR-10 alone, of which no label is used; evaluated without places
_base_ = '../../_base_/photographs.py'
train_dataloader = dict(dataset=dict(datasets=[_base_.labelled], weights=[1]))
test_dataloader = dict(
    _delete_=True,
    batch_size=100,
    num_workers=0,
    **_base_.category_sets,
    **_base_.transfer_sets,
)
test_evaluator = _base_.image_metrics
projector = dict(in_channels=128, hid_channels=512, out_channels=128)
