_base_ = [
    '../_base_/models/mask-rcnn_internimage-b_fpn.py',
    'mmdet::_base_/datasets/coco_instance.py',
    '../_base_/schedules/mask-rcnn_1x.py',
    '../_base_/detection_runtime.py',
]
