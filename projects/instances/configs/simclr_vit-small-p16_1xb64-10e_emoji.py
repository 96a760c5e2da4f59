_base_ = ['_base_/simclr.py', '_base_/emoji.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.small_vit),
)
