_base_ = 'm3i-contrast_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
model = dict(objectives=dict(text=None))
val_dataloader = dict(_delete_=True, **_base_.val_image_dataloader)
val_evaluator = _base_.image_metrics + _base_.place_metrics
test_dataloader = dict(_delete_=True, **_base_.image_dataloader)
test_evaluator = val_evaluator
