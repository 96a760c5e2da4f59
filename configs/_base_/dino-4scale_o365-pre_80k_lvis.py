# LVIS v1: 1203 classes, images with rare ones repeated, federated loss
_base_ = ['./dino-4scale_o365-pre_20k.py', './datasets/lvis_v1.py']

model = dict(
    bbox_head=dict(
        num_classes=1203, loss_cls=dict(_delete_=True, **_base_.federated_loss)
    )
)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        **_base_.class_balance,
        dataset=dict(**_base_.lvis_train, pipeline=_base_.train_pipeline),
    )
)
val_dataloader = dict(dataset=_base_.lvis_val)
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, **_base_.lvis_metric, metric='bbox')
test_evaluator = val_evaluator
train_cfg = dict(max_iters=80000, val_interval=8000)
