# 32 epochs, for data that is seen less often
_base_ = 'm3i_4096_adamw_400e.py'
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-4, end=1, convert_to_iter_based=True
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=0.0,
        begin=1,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(max_epochs=32)
