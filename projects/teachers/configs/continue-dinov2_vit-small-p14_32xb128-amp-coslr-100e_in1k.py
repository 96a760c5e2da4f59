# DINOv2 goes on learning on other images: patches of another view from those
# of one (SiameseIM without masking), held by an anchor, its frozen start.
_base_ = [
    '../../../configs/_base_/datasets/in1k_two_views_224.py',
    '../../../configs/_base_/schedules/m3i_4096_adamw_400e.py',
    '../../../configs/_base_/default_runtime.py',
]
start = 'timm:vit_small_patch14_dinov2.lvd142m'
model = dict(
    type='m3i_mm.M3I',
    input=dict(type='BothViews'),
    backbone=dict(type='m3i_mm.FoundationBackbone', name=start),
    momentum_encoder=dict(type='MomentumEncoder'),
    teachers=dict(anchor=dict(type='m3i_mm.Teacher', name=start)),
    objectives=dict(
        inter=dict(
            target=dict(type='DenseFeatures', view='other'),
            decoder=dict(
                type='TransformerDecoder',
                in_dims=384,
                out_dims=384,
                embed_dims=384,
                depth=4,
                num_heads=12,
                norm_cfg=dict(type='SyncBN'),
            ),
            likelihood=dict(
                type='Gaussian', regularizer=dict(type='UniGradTerm')
            ),
        ),
        # zero in the first step
        anchor=dict(
            target=dict(
                type='DenseFeatures', encoder='anchor', layer_norm=False
            ),
            decoder=dict(type='DenseDecoder'),
            likelihood=dict(type='Gaussian'),
        ),
    ),
)
optim_wrapper = dict(
    optimizer=dict(lr=2e-4), paramwise_cfg=dict(layer_decay_rate=0.75)
)
train_cfg = dict(max_epochs=100)
param_scheduler = _base_.param_scheduler
param_scheduler[0].end = param_scheduler[1].begin = 10
