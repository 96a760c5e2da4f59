_base_ = './mapillary_512x1024.py'

crop_size = (896, 896)
parts = _base_.train_dataloader.dataset.datasets
for part in parts:
    part.pipeline[2].ratio_range = (0.5, 2.0)
    part.pipeline[3].crop_size = crop_size
del part
train_dataloader = dict(dataset=dict(datasets=parts))
