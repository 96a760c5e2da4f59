# ImageNet-1k at 640 pixels for fine-tuning
_base_ = 'imagenet_rand-aug_384.py'

train_pipeline = _base_.train_pipeline
train_pipeline[1].scale = 640
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = 640
test_pipeline[2].crop_size = 640

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
