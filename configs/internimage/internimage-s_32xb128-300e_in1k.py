# the old name, for one release
_base_ = './internimage-s_32xb128-amp-coslr-300e_in1k.py'
_deprecation_ = dict(expected=('internimage-s_32xb128-amp-coslr-300e_in1k.py'))
