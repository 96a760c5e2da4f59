# The backbone of the demo (m3i_mm::_base_/models/m3i_convnext_emoji.py) with
# the maps of all its stages, strides 4, 8 and 16; the first two get norms of
# their own. Without a checkpoint it starts from random weights.
channels = [48, 96, 192]
backbone = dict(
    _delete_=True,
    type='mmpretrain.ConvNeXt',
    arch=dict(depths=[1, 2, 4], channels=channels),
    out_indices=(0, 1, 2),
    gap_before_final_norm=False,
    layer_scale_init_value=0.0,
)
