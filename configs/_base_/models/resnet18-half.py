# The backbone of the demo (m3i_mm::_base_/models/m3i_resnet18_emoji.py) with
# the maps of all its stages, strides 4, 8 and 16. Without a checkpoint it
# starts from random weights.
channels = [32, 64, 128]
backbone = dict(
    type='mmpretrain.ResNet',
    depth=18,
    num_stages=3,
    strides=(1, 2, 2),
    dilations=(1, 1, 1),
    out_indices=(0, 1, 2),
    stem_channels=32,
    base_channels=32,
)
