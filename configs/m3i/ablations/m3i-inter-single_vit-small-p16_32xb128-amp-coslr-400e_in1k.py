_base_ = 'm3i-single_vit-small-p16_32xb128-amp-coslr-400e_in1k.py'
model = dict(
    objectives=dict(intra=None, inter=dict(weight=1.0), category=None)
)
