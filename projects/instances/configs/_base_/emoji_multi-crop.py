# data/emoji with four more views of 32 px, of small parts
_base_ = 'emoji.py'
small_view = [
    dict(step, size=32, scale=(0.15, 0.5))
    if step.type == 'm3i_mm.RandomView'
    else step
    for step in _base_.random_view
]
train_pipeline = _base_.train_pipeline
train_pipeline[-2].transforms = [_base_.random_view] * 2 + [small_view] * 4
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
