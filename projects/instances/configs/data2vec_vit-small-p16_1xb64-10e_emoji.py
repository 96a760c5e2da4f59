_base_ = ['_base_/data2vec.py', '_base_/emoji.py']
model = dict(
    backbone=dict(_delete_=True, **_base_.small_vit),
)
