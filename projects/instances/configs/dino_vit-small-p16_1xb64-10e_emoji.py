_base_ = ['_base_/dino.py', '_base_/emoji_multi-crop.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.small_vit),
    neck=dict(num_prototypes=1024),
    objectives=dict(
        y=dict(likelihood=dict(assignment=dict(num_prototypes=1024)))
    ),
)
