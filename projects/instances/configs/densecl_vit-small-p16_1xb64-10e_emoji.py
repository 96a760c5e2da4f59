_base_ = ['_base_/densecl.py', '_base_/emoji.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.small_vit),
    objectives=dict(y=dict(likelihood=dict(negatives=dict(length=1024)))),
)
