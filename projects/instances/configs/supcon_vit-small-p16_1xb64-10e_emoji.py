_base_ = ['_base_/supcon.py', '_base_/emoji.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.small_vit),
    objectives=dict(y=dict(target=dict(classes='subgroup'))),
)
