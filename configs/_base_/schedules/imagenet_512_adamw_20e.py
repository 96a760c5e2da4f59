# 20 epochs of fine-tuning at a total batch of 512; the rate starts and ends
# at zero.
_base_ = 'imagenet_4096_adamw_300e.py'

optim_wrapper = dict(optimizer=dict(lr=2e-5))
param_scheduler = [
    dict(type='m3i_mm.WarmupCosineLR', warmup=2, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=20)
auto_scale_lr = dict(base_batch_size=512)
