_base_ = [
    '../_base_/models/internimage_conv-head.py',
    '../_base_/datasets/imagenet_rand-aug_224.py',
    '../_base_/schedules/imagenet_4096_adamw_300e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    train_cfg=dict(
        augments=[
            dict(type='Mixup', alpha=0.8),
            dict(type='CutMix', alpha=1.0),
        ]
    )
)
train_dataloader = dict(batch_size=128)
