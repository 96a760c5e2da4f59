_base_ = 'm3i_vit-small-p16_1xb64-10e_emoji.py'
model = dict(objectives=dict(text=None))
val_evaluator = _base_.image_metrics
test_evaluator = val_evaluator
