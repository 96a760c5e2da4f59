_base_ = './cityscapes-coarse_512x1024.py'

crop_size = (1024, 1024)
parts = _base_.train_dataloader.dataset.datasets
for part in parts:
    part.pipeline[3].crop_size = crop_size
del part
train_dataloader = dict(dataset=dict(datasets=parts))
