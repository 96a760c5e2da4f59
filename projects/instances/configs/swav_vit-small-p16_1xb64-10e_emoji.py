_base_ = ['_base_/swav.py', '_base_/emoji_multi-crop.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.small_vit),
    neck=dict(num_prototypes=512),
)
