# the old name, for one release
_base_ = '../objects365/dino-4scale_internimage-h_256xb1-26e_objects365.py'
_deprecation_ = dict(
    expected=('objects365/dino-4scale_internimage-h_256xb1-26e_objects365.py')
)
