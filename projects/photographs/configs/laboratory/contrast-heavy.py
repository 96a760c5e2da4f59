# The same with three times the weight of the other view
_base_ = 'contrast-unmixed.py'
model = dict(objectives=dict(inter=dict(weight=3.0)))
