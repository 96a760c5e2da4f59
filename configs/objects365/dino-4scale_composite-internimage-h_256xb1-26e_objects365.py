_base_ = [
    '../_base_/models/dino-4scale_composite-internimage-h.py',
    '../_base_/datasets/objects365_2000x1000.py',
    '../_base_/schedules/dino_26e.py',
    '../_base_/detection_runtime.py',
]

model = dict(bbox_head=dict(num_classes=365))
