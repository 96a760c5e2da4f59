# the old name, for one release
_base_ = './m3i_resnet18_8xb64-amp-coslr-300e_emoji.py'
_deprecation_ = dict(expected=('m3i_resnet18_8xb64-amp-coslr-300e_emoji.py'))
