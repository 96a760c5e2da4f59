_base_ = 'm3i-intra-inter-single_vit-small-p16_32xb128-amp-coslr-400e_in1k.py'
model = dict(objectives=dict(intra=dict(weight=1.0), inter=None))
