"""A small M3I model of the paper's form, and a batch for it."""

from __future__ import annotations

import torch

WIDTH, CLASSES, VOCABULARY = 16, 5, 50
VIT = dict(
    type='VisionTransformer',
    arch=dict(
        embed_dims=WIDTH, num_layers=2, num_heads=2, feedforward_channels=32
    ),
    img_size=32,
    patch_size=8,
    out_type='featmap',
)
CONVNEXT = dict(
    type='ConvNeXt',
    arch=dict(depths=[1, 1, 1], channels=[8, 8, WIDTH]),
    out_indices=(2,),
    gap_before_final_norm=False,
)


def m3i_config(backbone=VIT, patch_size=8, **overrides):
    """Two inputs and four targets, as in the paper's Figure 2."""
    pooling = dict(
        type='AttentionPoolingDecoder',
        in_dims=WIDTH,
        out_dims=WIDTH,
        num_heads=2,
    )
    text_encoder = dict(
        type='TextTransformer',
        vocab_size=VOCABULARY,
        out_dims=WIDTH,
        embed_dims=8,
        depth=1,
        num_heads=2,
        context_length=6,
        dropout=0.0,
    )
    cfg = dict(
        type='M3I',
        backbone=backbone,
        input=dict(type='PatchMix', patch_size=patch_size),
        momentum_encoder=dict(type='MomentumEncoder'),
        decoders=dict(
            image=dict(
                type='TransformerDecoder',
                in_dims=WIDTH,
                out_dims=WIDTH,
                embed_dims=24,
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
                weight=0.5,
            ),
            inter=dict(
                target=dict(type='DenseFeatures', view='other'),
                decoder='image',
                likelihood=dict(type='Gaussian'),
                members=(1,),
                weight=0.5,
            ),
            category=dict(
                target=dict(
                    type='CategoryTarget',
                    num_classes=CLASSES,
                    embed_dims=WIDTH,
                ),
                decoder=pooling,
                likelihood=dict(type='Categorical'),
            ),
            text=dict(
                target=dict(type='TextTarget', text_encoder=text_encoder),
                decoder=pooling,
                likelihood=dict(
                    type='Contrast',
                    temperature=0.07,
                    learnable=True,
                    normalize=True,
                    symmetric=True,
                ),
            ),
        ),
    )
    cfg.update(overrides)
    return cfg


def make_samples(batch=8, labels=True, texts=True):
    from mmpretrain.structures import DataSample

    samples = []
    for number in range(batch):
        sample = DataSample()
        sample.set_field(f'sample-{number}', 'sample_key')
        geometry = torch.tensor(
            [[0.0, 0, 50, 60, 0, 100, 120], [10.0, 5, 80, 90, 1, 100, 120]]
        )
        sample.set_field(geometry, 'view_geometry')
        if labels:
            sample.set_gt_label(number % CLASSES)
        if texts:
            tokens = torch.tensor([1 + number, 9, 3, 0, 0, 0])
            sample.set_field(tokens, 'text_tokens')
        samples.append(sample)
    return samples
