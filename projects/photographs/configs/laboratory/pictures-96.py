# Model, schedule and view size of `m3i pretrain` on a CPU
_base_ = [
    '../../../../configs/_base_/models/m3i_resnet18-contrast.py',
    '../../../../configs/_base_/datasets/cifar10-flickr8k_two_views_32.py',
    '../../../../configs/_base_/evaluation/photographs.py',
    '../../../../configs/_base_/schedules/m3i_64_adamw_slow-text.py',
    '../../../../configs/_base_/default_runtime.py',
]
model = dict(
    objectives=dict(
        category=dict(target=dict(field='gt_label', num_classes=10))
    )
)
sources = _base_.train_dataloader.dataset.datasets
for source in sources:
    (two_views,) = (step for step in source.pipeline if 'transforms' in step)
    for view in two_views.transforms:
        view[1].size = 96
train_dataloader = dict(dataset=dict(datasets=sources))
val_dataloader = _base_.val_dataloader
sets = [part for part in val_dataloader.values() if isinstance(part, dict)]
for part in sets:
    for step in part.dataset.pipeline:
        if step.get('size') == 32:
            step.size = 96
        if step.get('scale') == (128, 96):
            step.scale = (256, 192)
del source, two_views, view, sets, part, step
