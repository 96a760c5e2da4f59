_base_ = 'm3i_vit-small-p16_1xb64-10e_emoji.py'
model = dict(
    objectives=dict(intra=dict(members=(0, 1), weight=1.0), inter=None)
)
