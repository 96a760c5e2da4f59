# ImageNet-1k at 384 pixels for fine-tuning: no erasing
_base_ = 'imagenet_rand-aug_224.py'

train_pipeline = [
    step for step in _base_.train_pipeline if step.type != 'RandomErasing'
]
train_pipeline[1].scale = 384
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = 384
test_pipeline[2].crop_size = 384

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
