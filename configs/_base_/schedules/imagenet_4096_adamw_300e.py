# 300 epochs at a total batch of 4096: the rate is 5e-4 for each 512 images,
# the warm-up starts at 1/1000 of it and the cosine ends at 1/100.
_base_ = 'mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py'

optim_wrapper = dict(
    type='m3i_mm.MixedPrecisionOptimWrapper',
    dtype='float16',
    optimizer=dict(lr=5e-4 * 4096 / 512),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(
        type='m3i_mm.WarmupCosineLR',
        warmup=20,
        warmup_ratio=1e-3,
        min_ratio=1e-2,
        convert_to_iter_based=True,
    )
]
# Buffers are averaged too: the head has a BatchNorm
custom_hooks = [
    dict(
        type='EMAHook',
        momentum=1e-4,
        update_buffers=True,
        priority='ABOVE_NORMAL',
    )
]
auto_scale_lr = dict(base_batch_size=4096)
