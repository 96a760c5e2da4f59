# LVIS v1: 1203 classes, images with rare ones repeated, federated loss
_base_ = [
    '../coco/mask-rcnn_vit-base-p16-m3i-pre_fpn_16xb4-lsj-25e_coco.py',
    '../_base_/datasets/lvis_v1.py',
]

model = dict(
    roi_head=dict(
        bbox_head=dict(
            num_classes=1203,
            # binary cross-entropy: no focus, no balance
            loss_cls=dict(
                _delete_=True, **_base_.federated_loss, gamma=0.0, alpha=-1.0
            ),
        ),
        mask_head=dict(num_classes=1203),
    ),
    test_cfg=dict(rcnn=dict(score_thr=0.02, max_per_img=300)),
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
val_evaluator = dict(
    _delete_=True, **_base_.lvis_metric, metric=['bbox', 'segm']
)
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(lr=2e-4))
