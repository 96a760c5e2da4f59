_base_ = [
    '../_base_/models/internimage_attention-pool.py',
    '../_base_/datasets/imagenet_rand-aug_384.py',
    '../_base_/schedules/imagenet_512_adamw_20e.py',
    '../_base_/schedules/block-decay.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(with_cp=True), head=dict(loss=dict(label_smooth_val=0.3))
)
train_dataloader = dict(batch_size=16)
optim_wrapper = _base_.block_decay
# The README says how to make it from the authors' ImageNet-22k weights
load_from = 'checkpoints/internimage-h_joint-in22k-384_1000-classes.pth'
