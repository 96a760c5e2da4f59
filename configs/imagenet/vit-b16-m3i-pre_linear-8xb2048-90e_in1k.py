# the old name, for one release
_base_ = './vit-base-p16-m3i-pre_8xb2048-linear-coslr-90e_in1k.py'
_deprecation_ = dict(
    expected=('vit-base-p16-m3i-pre_8xb2048-linear-coslr-90e_in1k.py')
)
