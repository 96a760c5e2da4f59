# the old name, for one release
_base_ = './mask-rcnn_vit-base-p16-m3i-pre_fpn_16xb4-lsj-25e_coco.py'
_deprecation_ = dict(
    expected=('mask-rcnn_vit-base-p16-m3i-pre_fpn_16xb4-lsj-25e_coco.py')
)
