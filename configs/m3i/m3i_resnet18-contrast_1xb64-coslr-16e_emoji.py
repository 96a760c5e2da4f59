# The demo: pre-training in less than ten minutes on two CPU cores, in the form
# that did best on small budgets, docs/experiments.md
_base_ = [
    'm3i_resnet18_1xb64-coslr-24e_emoji.py',
    '../_base_/models/contrast-128.py',
]
model = _base_.contrast_form
train_cfg = dict(max_epochs=16, val_interval=16)
