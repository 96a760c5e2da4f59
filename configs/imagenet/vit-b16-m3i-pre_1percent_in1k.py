# the old name, for one release
_base_ = './vit-base-p16-m3i-pre_1percent_in1k.py'
_deprecation_ = dict(expected=('vit-base-p16-m3i-pre_1percent_in1k.py'))
