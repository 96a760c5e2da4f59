# AdamW with a short warm-up and cosine decay for minutes of one core
_base_ = '../../../../../configs/_base_/schedules/own-data_20e.py'
train_cfg = dict(max_epochs=8, val_interval=8)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=50),
    dict(type='CosineAnnealingLR', convert_to_iter_based=True),
]
# chosen on CamVid's validation frames among 1e-3, this and 1e-2
optim_wrapper = dict(optimizer=dict(lr=3e-3))
