_base_ = [
    '../_base_/models/cascade-rcnn_internimage-xl_fpn.py',
    '../_base_/datasets/crowdhuman_multi-scale.py',
    '../_base_/schedules/mask-rcnn_3x.py',
    '../_base_/detection_runtime.py',
]

optim_wrapper = dict(
    optimizer=dict(weight_decay=1e-4),
    paramwise_cfg=dict(layer_decay_rate=0.94),
)
auto_scale_lr = dict(base_batch_size=128)
