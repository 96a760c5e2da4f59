_base_ = [
    '../_base_/models/dino-4scale_internimage-g.py',
    '../_base_/datasets/coco_2000x1000.py',
    '../_base_/schedules/dino_20k.py',
    '../_base_/detection_runtime_iterations.py',
]

model = dict(backbone=dict(init_cfg=None))
load_from = (
    'work_dirs/dino-4scale_internimage-g_256xb1-26e_objects365/epoch_26.pth'
)
