_base_ = [
    '../_base_/models/mask-rcnn_vit-base-p16_fpn.py',
    '../_base_/datasets/coco_instance_lsj.py',
    '../_base_/schedules/vitdet_25e.py',
    '../_base_/detection_runtime.py',
]
