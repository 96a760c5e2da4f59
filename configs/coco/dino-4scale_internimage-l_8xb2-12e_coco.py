_base_ = [
    '../_base_/models/dino-4scale_internimage-l.py',
    '../_base_/datasets/coco_detection_multi-scale.py',
    '../_base_/schedules/dino_12e.py',
    '../_base_/detection_runtime.py',
]
