# The second view at half the size
_base_ = 'pictures-96.py'
sources = _base_.train_dataloader.dataset.datasets
for source in sources:
    (two_views,) = (step for step in source.pipeline if 'transforms' in step)
    two_views.transforms[1][1].size = 48
train_dataloader = dict(dataset=dict(datasets=sources))
del source, two_views
