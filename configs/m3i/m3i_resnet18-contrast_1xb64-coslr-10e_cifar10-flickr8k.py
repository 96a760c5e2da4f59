# The form of the targets that did best on small budgets, docs/experiments.md:
# whole pictures, each of two views an input, labels and texts predicted from
# the mean feature, and the other view told from those of others
_base_ = [
    '../_base_/models/m3i_resnet18-contrast.py',
    '../_base_/models/resnet18_32px.py',
    '../_base_/datasets/cifar10-flickr8k_two_views_32.py',
    '../_base_/evaluation/photographs.py',
    '../_base_/schedules/m3i_64_adamw_slow-text.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(_delete_=True, **_base_.encoder),
    objectives=dict(
        category=dict(target=dict(field='gt_label', num_classes=10))
    ),
)
