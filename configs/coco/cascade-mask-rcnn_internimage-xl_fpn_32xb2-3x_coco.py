_base_ = [
    '../_base_/models/cascade-mask-rcnn_internimage-xl_fpn.py',
    '../_base_/datasets/coco_instance_multi-scale.py',
    '../_base_/schedules/cascade-mask-rcnn_3x.py',
    '../_base_/detection_runtime.py',
]

model = dict(backbone=dict(drop_path_rate=0.6))
