# LVIS v1 at large sizes: boxes of 1203 classes, images of rare ones repeated
_base_ = ['./detection_2000x1000.py', './lvis_v1.py']

train_dataloader = dict(
    **_base_.train_loader,
    dataset=dict(
        **_base_.class_balance,
        dataset=dict(**_base_.lvis_train, pipeline=_base_.train_pipeline),
    ),
)
val_dataloader = dict(
    **_base_.test_loader,
    dataset=dict(
        **_base_.lvis_val, test_mode=True, pipeline=_base_.test_pipeline
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(**_base_.lvis_metric, metric='bbox')
test_evaluator = val_evaluator
