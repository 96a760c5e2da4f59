# the old name, for one release
_base_ = './internimage-h_joint-in22k-pre_32xb16-amp-coslr-20e_in1k-640.py'
_deprecation_ = dict(
    expected=('internimage-h_joint-in22k-pre_32xb16-amp-coslr-20e_in1k-640.py')
)
