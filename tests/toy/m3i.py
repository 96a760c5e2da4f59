"""A tiny M3I with all kinds of targets, in the settings of the emoji data."""

_base_ = 'config.py'

custom_imports = dict(
    imports=[
        'm3i_mm.datasets',
        'm3i_mm.engine',
        'm3i_mm.models',
        'toy.training',
    ]
)
model = dict(
    _delete_=True,
    type='m3i_mm.M3I',
    data_preprocessor=dict(
        type='mmpretrain.SelfSupDataPreprocessor',
        mean=[127.5] * 3,
        std=[127.5] * 3,
        to_rgb=True,
    ),
    backbone=dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(
            embed_dims=16,
            num_layers=2,
            num_heads=2,
            feedforward_channels=32,
        ),
        img_size=16,
        patch_size=4,
        out_type='featmap',
        with_cls_token=False,
        drop_rate=0.1,
    ),
    input=dict(type='PatchMix', patch_size=4),
    momentum_encoder=dict(type='MomentumEncoder'),
    decoders=dict(
        image=dict(
            type='TransformerDecoder',
            in_dims=16,
            out_dims=16,
            embed_dims=16,
            depth=1,
            num_heads=2,
        )
    ),
    objectives=dict(
        intra=dict(
            target=dict(type='DenseFeatures', view='same'),
            decoder='image',
            likelihood=dict(type='Gaussian'),
            members=(0,),
        ),
        inter=dict(
            target=dict(type='DenseFeatures', view='other'),
            decoder='image',
            likelihood=dict(type='Gaussian'),
            members=(1,),
        ),
        category=dict(
            target=dict(type='CategoryTarget', num_classes=26, embed_dims=8),
            decoder=dict(
                type='AttentionPoolingDecoder',
                in_dims=16,
                out_dims=8,
                num_heads=2,
            ),
            likelihood=dict(type='Categorical'),
        ),
        text=dict(
            target=dict(
                type='TextTarget',
                text_encoder=dict(
                    type='TextTransformer',
                    vocab_size=49408,
                    out_dims=8,
                    embed_dims=8,
                    depth=1,
                    num_heads=2,
                    dropout=0.0,
                ),
            ),
            decoder=dict(
                type='AttentionPoolingDecoder',
                in_dims=16,
                out_dims=8,
                num_heads=2,
            ),
            likelihood=dict(
                type='Contrast',
                temperature=0.07,
                normalize=True,
                negatives=dict(type='BatchNegatives'),
            ),
        ),
    ),
)
train_dataloader = dict(
    _delete_=True,
    batch_size=4,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='m3i_mm.StreamBatchSampler'),
    dataset=dict(
        type='m3i_mm.SourceDataset',
        source=dict(type='m3i_mm.ShardSource', urls='train-*.tar.gz'),
        pipeline=__import__('toy.shards').shards.PIPELINE,
        window=2,
    ),
)
default_hooks = dict(
    momentum=dict(type='m3i_mm.MomentumUpdateHook'),
    resume_state=dict(type='m3i_mm.ResumeStateHook'),
)
val_dataloader = None
val_evaluator = None
val_cfg = None
