_base_ = '_base_/lightly.py'
model = dict(type='m3i_mm.LightlyMoCo', momentum=0.99)
