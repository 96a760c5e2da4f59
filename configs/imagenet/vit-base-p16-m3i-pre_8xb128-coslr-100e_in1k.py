# Fine-tuning for 100 epochs with SiameseIM's settings (batch 1024, learning
# rate 1e-3, layer decay 0.65); all else is the recipe of MAE.
_base_ = 'mmpretrain::mae/benchmarks/vit-base-p16_8xb128-coslr-100e_in1k.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/m3i_vit-base-p16/backbone.pth',
            # normalises the pooled feature, where the pre-training had none
            new_weights=['ln2'],
        )
    )
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=1024)
