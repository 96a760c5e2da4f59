# the old name, for one release
_base_ = './internimage-g_joint-in22k-pre_64xb8-amp-coslr-20e_in1k-512.py'
_deprecation_ = dict(
    expected=('internimage-g_joint-in22k-pre_64xb8-amp-coslr-20e_in1k-512.py')
)
