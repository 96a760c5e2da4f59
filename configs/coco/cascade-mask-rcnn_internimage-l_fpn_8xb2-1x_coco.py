_base_ = [
    '../_base_/models/cascade-mask-rcnn_internimage-l_fpn.py',
    'mmdet::_base_/datasets/coco_instance.py',
    '../_base_/schedules/cascade-mask-rcnn_1x.py',
    '../_base_/detection_runtime.py',
]
