# the old name, for one release
_base_ = './m3i_resnet18_1xb64-coslr-24e_emoji.py'
_deprecation_ = dict(expected=('m3i_resnet18_1xb64-coslr-24e_emoji.py'))
