_base_ = [
    '../_base_/models/dino-4scale_composite-internimage-h.py',
    '../_base_/datasets/coco_2000x1000.py',
    '../_base_/schedules/dino_20k.py',
    '../_base_/detection_runtime_iterations.py',
]

model = dict(backbone=dict(init_cfg=None))
load_from = (
    'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
    'dino_4scale_cbinternimage_h_objects365_80classes.pth'
)
