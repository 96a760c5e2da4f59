# the old name, for one release
_base_ = './upernet_vit-base-p16-m3i-pre_8xb2-160k_ade20k-512x512.py'
_deprecation_ = dict(
    expected=('upernet_vit-base-p16-m3i-pre_8xb2-160k_ade20k-512x512.py')
)
