_base_ = 'm3i-intra-inter-single_vit-small-p16_32xb128-amp-coslr-400e_in1k.py'
model = dict(objectives=dict(inter=dict(weight=1.0), intra=None))
