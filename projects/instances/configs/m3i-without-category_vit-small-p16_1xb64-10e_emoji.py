_base_ = 'm3i_vit-small-p16_1xb64-10e_emoji.py'
model = dict(objectives=dict(category=None))
