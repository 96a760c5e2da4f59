# the old name, for one release
_base_ = (
    '../coco_stuff/mask2former_internimage-h'
    '_16xb1-80k_coco-stuff164k-896x896.py'
)
_deprecation_ = dict(
    expected=(
        'coco_stuff/mask2former_internimage-h'
        '_16xb1-80k_coco-stuff164k-896x896.py'
    )
)
