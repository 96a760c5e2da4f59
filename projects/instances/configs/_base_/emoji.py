# data/emoji with a shallower ViT, ten epochs: a smoke run on a CPU
_base_ = [
    '../../../../configs/_base_/datasets/emoji_two_views.py',
    '../../../../configs/_base_/evaluation/emoji.py',
    '../../../../configs/_base_/schedules/m3i_64_adamw_10e_emoji.py',
    '../../../../configs/_base_/default_runtime.py',
]
small_vit = dict(
    type='mmpretrain.VisionTransformer',
    arch=dict(
        embed_dims=384,
        num_layers=2,
        num_heads=6,
        feedforward_channels=1536,
    ),
    img_size=64,
    patch_size=16,
    out_type='featmap',
)
custom_hooks = [
    dict(type='m3i_mm.ResumeStateHook'),
    dict(type='m3i_mm.MomentumUpdateHook', start=0.99),
]
# most rows have no text target
val_evaluator = _base_.image_metrics
test_evaluator = val_evaluator
