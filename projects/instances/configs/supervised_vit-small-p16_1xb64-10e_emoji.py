_base_ = ['_base_/supervised.py', '_base_/emoji.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.small_vit),
    objectives=dict(y=dict(target=dict(field='subgroup', num_classes=94))),
)
