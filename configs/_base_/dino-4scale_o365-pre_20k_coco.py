_base_ = './dino-4scale_o365-pre_20k.py'

train_pipeline = _base_.train_pipeline
train_pipeline[3].scale = [(2000, 600), (2000, 1800)]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
