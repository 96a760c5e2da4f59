_base_ = ['_base_/ibot.py', '_base_/emoji.py']
assignment = dict(assignment=dict(num_prototypes=1024))
model = dict(
    backbone=dict(_delete_=True, **_base_.small_vit),
    neck=dict(num_prototypes=1024),
    objectives=dict(
        y=dict(likelihood=assignment),
        patches=dict(likelihood=assignment),
    ),
)
