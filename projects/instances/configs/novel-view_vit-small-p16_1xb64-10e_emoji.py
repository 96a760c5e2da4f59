_base_ = ['_base_/novel-view.py', '_base_/emoji.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.small_vit),
    objectives=dict(y=dict(decoder=dict(depth=2))),
)
