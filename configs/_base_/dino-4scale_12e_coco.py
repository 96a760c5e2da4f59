# DINO on COCO for 12 epochs at batch size 16, all but the backbone
_base_ = 'mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py'

model = dict(
    type='m3i_mm.models.detectors.PublishedDINO',
    data_preprocessor=dict(pad_size_divisor=32),
)
# crops without an object are of no use to a detector of objects
train_pipeline = _base_.train_pipeline
train_pipeline[3].transforms[1][1].allow_negative_crop = False
train_dataloader = dict(
    dataset=dict(
        pipeline=train_pipeline, filter_cfg=dict(filter_empty_gt=True)
    )
)
optim_wrapper = dict(
    constructor='m3i_mm.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(_delete_=True, layer_decay_rate=0.90),
)
param_scheduler = [
    # 500 iterations below the full rate, which MMEngine counts as end - 1
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=501
    ),
    dict(type='MultiStepLR', by_epoch=True, end=12, milestones=[11]),
]
default_hooks = dict(class_count=dict(type='m3i_mm.ClassCountHook'))
