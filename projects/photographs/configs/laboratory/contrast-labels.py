# Labels of twice the weight: half of the batch has one
_base_ = 'contrast-unmixed.py'
model = dict(objectives=dict(category=dict(weight=2.0)))
