# M3I at a size for pictures of 32 px and one CPU core
_base_ = ['m3i_resnet18_emoji.py', 'resnet18_32px.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.encoder),
    input=dict(patch_size=8),
    objectives=dict(
        category=dict(target=dict(field='gt_label', num_classes=10))
    ),
)
