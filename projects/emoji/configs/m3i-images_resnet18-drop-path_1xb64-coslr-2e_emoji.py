# M3I's image targets alone, on a backbone that drops paths
_base_ = '../../../configs/m3i/m3i_resnet18_1xb64-coslr-24e_emoji.py'
model = dict(
    backbone=dict(drop_path_rate=0.3),
    objectives=dict(category=None, text=None),
)
train_dataloader = dict(num_workers=0, persistent_workers=False)
train_cfg = dict(max_epochs=2, val_interval=2)
val_dataloader = dict(num_workers=0)
val_evaluator = _base_.image_metrics
test_dataloader = dict(num_workers=0)
test_evaluator = val_evaluator
