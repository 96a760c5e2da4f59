# The paper in small on one GPU: a whole ResNet-18 for pictures of 32 px, and
# epochs of all 51,000 pictures. The data keeps about 14 CPU cores busy.
_base_ = 'm3i_resnet18_1xb64-coslr-10e_cifar10-flickr8k.py'
model = dict(
    backbone=dict(
        num_stages=4,
        strides=(1, 2, 2, 2),
        dilations=(1, 1, 1, 1),
        out_indices=(3,),
        stem_channels=64,
        base_channels=64,
    ),
    decoders=dict(
        image=dict(
            in_dims=512, out_dims=512, embed_dims=256, depth=2, num_heads=8
        )
    ),
    objectives=dict(
        category=dict(
            target=dict(embed_dims=256),
            decoder=dict(in_dims=512, out_dims=256, num_heads=8),
        ),
        text=dict(
            target=dict(
                text_encoder=dict(
                    out_dims=256, embed_dims=256, depth=4, num_heads=4
                )
            ),
            decoder=dict(in_dims=512, out_dims=256, num_heads=8),
        ),
    ),
)
train_dataloader = dict(
    batch_size=512,
    num_workers=14,
    persistent_workers=True,
    dataset=dict(weights=None, temperature=2.0, epoch_size=51000),
)
optim_wrapper = dict(
    type='m3i_mm.MixedPrecisionOptimWrapper', dtype='bfloat16'
)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.01, end=3, convert_to_iter_based=True
    ),
    dict(
        type='CosineAnnealingLR',
        begin=3,
        eta_min=1e-5,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(max_epochs=60, val_interval=60)
auto_scale_lr = dict(base_batch_size=512)
