# ImageNet-1k with eight more views of 96 px, of small parts (DINO, SwAV)
_base_ = 'in1k.py'
small_view = [
    dict(type='m3i_mm.Background'),
    dict(type='m3i_mm.RandomView', size=96, scale=(0.05, 0.25)),
    dict(type='m3i_mm.ColorMatrix'),
    dict(type='m3i_mm.RandomBlur', prob=0.5),
]
labelled_pipeline = _base_.labelled_pipeline
large_views = labelled_pipeline[-2].transforms
for view in large_views:
    view[1].scale = (0.25, 1.0)
labelled_pipeline[-2].transforms = large_views + [small_view] * 8
train_dataloader = dict(dataset=dict(pipeline=labelled_pipeline))
