# the old name, for one release
_base_ = './m3i_vit-base-p16_zero-shot_in1k.py'
_deprecation_ = dict(expected=('m3i_vit-base-p16_zero-shot_in1k.py'))
