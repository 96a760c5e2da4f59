# What the models of a billion parameters share, all but backbone and data set:
# large images, many denoising queries, 20k iterations at a constant rate from
# a detector pre-trained on Objects365
_base_ = './dino-4scale_12e_coco.py'

model = dict(dn_cfg=dict(group_cfg=dict(num_dn_queries=1000)))
train_pipeline = [
    dict(type='LoadImageFromFile', backend_args=_base_.backend_args),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='RandomResize', scale=[(2000, 600), (2000, 1200)], keep_ratio=True
    ),
    dict(type='PackDetInputs'),
]
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = (2000, 1000)
train_dataloader = dict(
    batch_size=1,
    sampler=dict(_delete_=True, type='InfiniteSampler'),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# `offset_lr_scale` slows the offsets of deformable attention in the head
optim_wrapper = dict(
    paramwise_cfg=dict(layer_decay_rate=0.94, offset_lr_scale=1e-3)
)
param_scheduler = [_base_.param_scheduler[0]]
train_cfg = dict(
    _delete_=True,
    type='IterBasedTrainLoop',
    max_iters=20000,
    val_interval=2000,
)
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=2000, max_keep_ckpts=3)
)
log_processor = dict(by_epoch=False)
auto_scale_lr = dict(base_batch_size=64)
