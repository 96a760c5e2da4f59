_base_ = [
    '../_base_/models/internimage_attention-pool.py',
    '../_base_/datasets/inaturalist2018_384.py',
    '../_base_/schedules/imagenet_512_adamw_20e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(with_cp=True, drop_path_rate=0.6),
    head=dict(
        type='m3i_mm.models.heads.PlaceAndTimeHead',
        num_classes=8142,
        embed_dims=64,
        loss=dict(label_smooth_val=0.3),
        # the classifier of the picture starts at a thousandth
        init_cfg=dict(override=dict(type='TruncNormal', name='fc', std=2e-5)),
    ),
)
train_dataloader = dict(batch_size=16)
param_scheduler = [
    dict(type='m3i_mm.WarmupCosineLR', warmup=0, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=100)
# without the average of weights
custom_hooks = []
load_from = (
    'https://huggingface.co/OpenGVLab/InternImage/resolve/main/'
    'internimage_h_jointto22k_384.pth'
)
new_weights = ['head']
