# What the rows without a text target share: data, encoder, metrics, schedule
_base_ = [
    '../../../../configs/_base_/models/resnet18_32px.py',
    '../../../../configs/_base_/datasets/cifar10-flickr8k_two_views_32.py',
    '../../../../configs/_base_/evaluation/photographs.py',
    '../../../../configs/_base_/schedules/m3i_64_adamw_demo.py',
    '../../../../configs/_base_/default_runtime.py',
]
val_dataloader = dict(_delete_=True, **_base_.val_image_dataloader)
val_evaluator = _base_.image_metrics + _base_.place_metrics
test_dataloader = dict(_delete_=True, **_base_.image_dataloader)
test_evaluator = val_evaluator
