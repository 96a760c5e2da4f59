_base_ = 'm3i_vit-small-p16_1xb64-10e_emoji.py'
model = dict(
    objectives=dict(intra=None, inter=dict(members=(0, 1), weight=1.0))
)
