_base_ = [
    '../_base_/models/internimage_conv-head.py',
    '../_base_/datasets/imagenet_rand-aug_384.py',
    '../_base_/schedules/imagenet_512_adamw_20e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(arch='large', drop_path_rate=0.1, with_cp=True),
    neck=dict(in_channels=1280, out_channels=1920),
    head=dict(in_channels=1920, loss=dict(label_smooth_val=0.3)),
)
train_dataloader = dict(batch_size=16)

# The README says how to make it from the authors' ImageNet-22k weights
load_from = 'checkpoints/internimage-l_in22k-384_1000-classes.pth'
