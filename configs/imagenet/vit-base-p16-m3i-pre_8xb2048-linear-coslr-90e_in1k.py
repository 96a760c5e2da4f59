# Linear probe: a non-affine BatchNorm and a linear layer on the frozen, mean-
# pooled tokens; LARS, 90 epochs, learning rate 0.1 per 256 images.
_base_ = (
    'mmpretrain::mae/benchmarks/vit-base-p16_8xb2048-linear-coslr-90e_in1k.py'
)

model = dict(
    backbone=dict(
        out_type='avg_featmap',
        init_cfg=dict(
            checkpoint='work_dirs/m3i_vit-base-p16/backbone.pth',
            # normalises the pooled feature, where the pre-training had none
            new_weights=['ln2'],
        ),
    )
)
train_pipeline = _base_.train_pipeline
train_pipeline[1].interpolation = 'bicubic'
test_pipeline = _base_.test_pipeline
test_pipeline[1].interpolation = 'bicubic'
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(
    type='m3i_mm.MixedPrecisionOptimWrapper',
    # the bias learns at the plain rate
    paramwise_cfg=dict(custom_keys={'bias': dict(lars_exclude=True)}),
)
auto_scale_lr = dict(base_batch_size=16384)
