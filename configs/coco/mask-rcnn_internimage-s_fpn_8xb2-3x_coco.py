_base_ = [
    '../_base_/models/mask-rcnn_internimage-s_fpn.py',
    '../_base_/datasets/coco_instance_multi-scale.py',
    '../_base_/schedules/mask-rcnn_3x.py',
    '../_base_/detection_runtime.py',
]
