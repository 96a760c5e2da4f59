# the old name, for one release
_base_ = './internimage-l_in22k-pre_32xb16-amp-coslr-20e_in1k-384.py'
_deprecation_ = dict(
    expected=('internimage-l_in22k-pre_32xb16-amp-coslr-20e_in1k-384.py')
)
