_base_ = [
    '../_base_/models/dino-4scale_composite-internimage-h.py',
    '../_base_/datasets/lvis_v1_2000x1000.py',
    '../_base_/schedules/dino_80k.py',
    '../_base_/detection_runtime_iterations.py',
]

model = dict(
    backbone=dict(init_cfg=None),
    bbox_head=dict(
        num_classes=1203, loss_cls=dict(_delete_=True, **_base_.federated_loss)
    ),
)
load_from = (
    'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
    'dino_4scale_cbinternimage_h_objects365_80classes.pth'
)
