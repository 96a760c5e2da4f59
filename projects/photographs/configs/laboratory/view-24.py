# The second view at three quarters of the size
_base_ = 'view-16.py'
datasets = _base_.train_dataloader.dataset.datasets
for source in datasets:
    (two_views,) = (step for step in source.pipeline if 'transforms' in step)
    two_views.transforms[1][1].size = 24
train_dataloader = dict(dataset=dict(datasets=datasets))
del datasets, source, two_views
