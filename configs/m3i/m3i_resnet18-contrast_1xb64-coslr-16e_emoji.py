# The demo: pre-training in less than ten minutes on two CPU cores, in the form
# that did best on small budgets, docs/experiments.md
_base_ = [
    'm3i_resnet18_1xb64-coslr-24e_emoji.py',
    '../_base_/models/contrast-128.py',
]
model = dict(
    input=dict(_delete_=True, type='BothViews'),
    momentum_encoder=None,
    decoders=None,
    objectives=dict(
        intra=None,
        inter=dict(_delete_=True, **_base_.other_view),
        category=dict(decoder=dict(_delete_=True, **_base_.category_decoder)),
        text=dict(decoder=dict(_delete_=True, **_base_.text_decoder)),
    ),
)
train_cfg = dict(max_epochs=16, val_interval=16)
