"""Cases of the objective against independent implementations.

Same weights and same inputs: losses and gradients of the backbone agree.
Where a constant or a factor differs by definition, the test says so.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from toy.recipes import ROOT

from m3i_mm.models.pretrainers import Contrast, Features, Gaussian
from m3i_mm.models.pretrainers.positions import (
    relative_coordinates,
    relative_embedding,
)
from m3i_mm.registry import MODELS

DATA = 'tests/data/siameseim'
VIT = dict(
    type='mmpretrain.VisionTransformer',
    arch=dict(
        embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32
    ),
    img_size=32,
    patch_size=8,
    out_type='featmap',
)
MLP = dict(
    type='NonLinearNeck',
    in_channels=16,
    hid_channels=24,
    out_channels=12,
    norm_cfg=dict(type='BN1d'),
)
PREDICTOR = dict(MLP, in_channels=12, with_avg_pool=False)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
    DefaultScope._instance_dict.clear()


def build(cfg):
    return MODELS.build(cfg)


def views(batch=6):
    return [torch.randn(batch, 3, 32, 32) for _ in range(2)]


def ours(target, likelihood, decoder=None, **kwargs):
    objective = dict(
        target=target,
        likelihood=likelihood,
        decoder=decoder or dict(type='PoolingDecoder'),
        weight=kwargs.pop('weight', 1.0),
    )
    return build(dict(type='M3I', objectives=dict(y=objective), **kwargs))


# numbers of the shipped rows, and of the references here
WIDTHS = {
    1000: 5,
    384: 16,
    1536: 24,
    2048: 24,
    4096: 24,
    256: 12,
    128: 12,
    65536: 24,
}


def shipped(row, **changes):
    """Build a row of projects/instances on the small backbone."""
    path = ROOT / f'projects/instances/configs/_base_/{row}.py'
    cfg = _narrow(Config.fromfile(path).model.to_dict())
    return build({**cfg, 'backbone': VIT, **changes})


def _narrow(node):
    if isinstance(node, dict):
        return {key: _narrow(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_narrow(value) for value in node]
    if node == 'SyncBN':
        return 'BN1d'
    return WIDTHS.get(node, node) if type(node) is int else node


def compare(model, reference, inputs, samples=None, offset=0.0, prefix=''):
    """Copy the encoder's weights, compare losses and gradients."""
    for part in ('backbone', 'neck'):
        if getattr(model, part, None) is not None:
            getattr(model, part).load_state_dict(
                getattr(reference, part).state_dict()
            )
    model.sync_momentum_encoder()
    losses = model.loss(inputs, samples)
    theirs = reference.loss(inputs if prefix == '' else inputs[0], samples)
    loss = losses['loss_y']
    expected = sum(v for k, v in theirs.items() if 'loss' in k)
    torch.testing.assert_close(loss, expected + offset)
    loss.backward()
    expected.backward()
    named = dict(reference.backbone.named_parameters())
    compared = 0
    for name, parameter in model.backbone.named_parameters():
        grad, wanted = parameter.grad, named[name].grad
        if name == 'mask_token':  # ours is in the input, see test_beit
            continue
        if wanted is None:
            assert grad is None or not grad.abs().max()
            continue
        torch.testing.assert_close(grad, wanted, rtol=1e-6, atol=1e-9)
        compared += int(wanted.abs().max() > 0)
    assert compared > 10


def test_supervised_is_image_classifier():
    from mmpretrain.structures import DataSample

    reference = build(
        dict(
            type='mmpretrain.ImageClassifier',
            backbone=VIT,
            neck=dict(type='GlobalAveragePooling'),
            head=dict(
                type='LinearClsHead',
                num_classes=5,
                in_channels=16,
                loss=dict(
                    type='LabelSmoothLoss',
                    label_smooth_val=0.1,
                    mode='original',
                ),
            ),
        )
    )
    model = shipped('supervised')
    target = model.objectives['y'].target
    target.embedding.data.copy_(reference.head.fc.weight)
    target.bias.data.copy_(reference.head.fc.bias)
    samples = [DataSample().set_gt_label(i % 5) for i in range(6)]
    # the neck of the classifier only pools, which is our decoder
    reference_neck, reference.neck = reference.neck, None
    model.backbone.load_state_dict(reference.backbone.state_dict())
    reference.neck = reference_neck
    inputs = views()
    loss = model.loss(inputs, samples)['loss_y']
    expected = reference.loss(inputs[0], samples)['loss']
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(
        target.embedding.grad, reference.head.fc.weight.grad
    )
    torch.testing.assert_close(
        model.backbone.patch_embed.projection.weight.grad,
        reference.backbone.patch_embed.projection.weight.grad,
    )


def test_simclr():
    # a projector without batch norm: MMPretrain runs both views in one batch
    neck = dict(
        type='MoCoV2Neck', in_channels=16, hid_channels=24, out_channels=12
    )
    reference = build(
        dict(
            type='mmpretrain.SimCLR',
            backbone=VIT,
            neck=neck,
            head=dict(
                type='ContrastiveHead',
                temperature=0.1,
                loss=dict(type='CrossEntropyLoss'),
            ),
        )
    )
    model = shipped('simclr', neck=neck)
    compare(model, reference, views())


def test_mocov3():
    reference = build(
        dict(
            type='mmpretrain.MoCoV3',
            backbone=VIT,
            neck=MLP,
            head=dict(
                type='MoCoV3Head',
                predictor=PREDICTOR,
                temperature=0.2,
                loss=dict(type='CrossEntropyLoss'),
            ),
        )
    )
    model = shipped('mocov3')  # its weight of 2: the directions are added
    model.decoders['y'].layers[0].load_state_dict(
        reference.head.predictor.state_dict()
    )
    compare(model, reference, views())


@pytest.mark.parametrize('name', ['BYOL', 'SimSiam'])
def test_byol_and_simsiam(name):
    reference = build(
        dict(
            type=f'mmpretrain.{name}',
            backbone=VIT,
            neck=MLP,
            head=dict(
                type='LatentPredictHead',
                predictor=PREDICTOR,
                loss=dict(type='CosineSimilarityLoss'),
            ),
        )
    )
    momentum = name == 'BYOL'
    model = shipped(name.lower())
    model.objectives['y'].weight = 2.0 if momentum else 0.5
    model.decoders['y'].layers[0].load_state_dict(
        reference.head.predictor.state_dict()
    )
    # the squared distance 2 - 2 cos differs from -cos by a constant;
    # MMPretrain multiplies the sum of two directions by 2 and by 0.5
    compare(model, reference, views(), offset=4.0 if momentum else 1.0)


def test_barlow_twins():
    reference = build(
        dict(
            type='mmpretrain.BarlowTwins',
            backbone=VIT,
            neck=MLP,
            head=dict(
                type='LatentCrossCorrelationHead',
                in_channels=12,
                loss=dict(type='CrossCorrelationLoss'),
            ),
        )
    )
    model = shipped('barlow-twins')
    model.objectives['y'].weight = 1.0
    compare(model, reference, views())


def test_mae(monkeypatch):
    vit = dict(VIT, type='mmpretrain.MAEViT')
    vit.pop('out_type')
    reference = build(
        dict(
            type='mmpretrain.MAE',
            backbone=dict(vit, mask_ratio=0.75),
            neck=dict(
                type='MAEPretrainDecoder',
                num_patches=16,
                patch_size=8,
                embed_dim=16,
                decoder_embed_dim=24,
                decoder_depth=2,
                decoder_num_heads=3,
                mlp_ratio=2.0,
            ),
            head=dict(
                type='MAEPretrainHead',
                norm_pix=True,
                patch_size=8,
                loss=dict(type='PixelReconstructionLoss', criterion='L2'),
            ),
        )
    )
    reference.init_weights()
    model = ours(
        dict(type='Pixels', patch_size=8, normalize=True, patches='hidden'),
        dict(type='Gaussian'),
        dict(
            type='TransformerDecoder',
            in_dims=16,
            out_dims=192,
            embed_dims=24,
            depth=2,
            num_heads=3,
            mlp_ratio=2.0,
            relative_scale=False,
            class_token=True,
        ),
        backbone=vit,
        input=dict(
            type='PatchMask', patch_size=8, fill=dict(type='DropPatches')
        ),
    )
    _copy_mae_decoder(model.decoders['y'], reference.neck)
    model.backbone.load_state_dict(reference.backbone.state_dict())
    noise = torch.rand(6, 16)
    hidden = noise.argsort(1).argsort(1) >= 4
    monkeypatch.setattr(
        model.input.pattern,
        'forward',
        lambda batch, grid, device: hidden.view(batch, *grid),
    )
    monkeypatch.setattr(torch, 'rand', lambda *size, **kwargs: noise)
    images = views()[0]
    loss = model.loss([images])['loss_y']
    expected = reference.loss(images, None)['loss']
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for ours_, theirs in zip(
        model.backbone.parameters(),
        reference.backbone.parameters(),
        strict=True,
    ):
        if theirs.grad is not None:
            torch.testing.assert_close(
                ours_.grad, theirs.grad, rtol=1e-6, atol=1e-9
            )


def _copy_mae_decoder(decoder, neck):
    theirs = neck.state_dict()
    names = {
        'decoder_embed.': 'embed.',
        'decoder_norm.': 'norm.norm.',
        'ln1.': 'norm.norm.',
        'decoder_pred.': 'head.',
    }
    renamed = dict(mask_token=theirs['mask_token'])
    for key, value in theirs.items():
        if key.startswith('decoder_blocks.'):
            key = key.replace('decoder_blocks.', 'blocks.')
            key = key.replace('.ln', '.norm').replace('attn.', '')
            for part in ('norm1', 'norm2'):
                key = key.replace(f'{part}.', f'{part}.norm.')
            key = key.replace('ffn.layers.0.0', 'mlp.0')
            renamed[key.replace('ffn.layers.1', 'mlp.2')] = value
            continue
        for old, new in names.items():
            if key.startswith(old):
                renamed[key.replace(old, new, 1)] = value
    decoder.load_state_dict(renamed)


def test_beit():
    from mmpretrain.structures import DataSample

    vit = dict(
        VIT,
        type='mmpretrain.BEiTPretrainViT',
        out_type='raw',
        use_abs_pos_emb=True,
        use_shared_rel_pos_bias=False,
    )

    @MODELS.register_module(force=True)
    class ToyTokenizer(torch.nn.Module):
        def forward(self, images):
            means = images.unfold(2, 8, 8).unfold(3, 8, 8).mean((1, 4, 5))
            codes = (means * 50).long().remainder(7)
            # logits (B, codes, h, w), as of MMPretrain's DALL-E encoder
            one_hot = torch.nn.functional.one_hot(codes, 7)
            return one_hot.permute(0, 3, 1, 2).float()

    reference = build(
        dict(
            type='mmpretrain.BEiT',
            backbone=vit,
            head=dict(
                type='BEiTV1Head',
                embed_dims=16,
                num_embed=7,
                loss=dict(type='CrossEntropyLoss'),
            ),
            target_generator=dict(type='ToyTokenizer'),
        )
    )
    model = ours(
        dict(
            type='CodeTarget',
            tokenizer=dict(type='ToyTokenizer'),
            num_codes=7,
            embed_dims=16,
        ),
        dict(type='Categorical'),
        dict(type='DenseDecoder'),
        backbone=vit,
        input=dict(
            type='PatchMask',
            patch_size=8,
            pattern=dict(type='BlockMask', ratio=0.4, min_block=2),
            fill=dict(type='MaskToken', embed_dims=16),
        ),
    )
    torch.nn.init.normal_(reference.backbone.mask_token)
    model.input.fill.token.data.copy_(reference.backbone.mask_token[0, 0])
    target = model.objectives['y'].target
    target.embedding.data.copy_(reference.head.cls_head.weight)
    target.bias.data.copy_(reference.head.cls_head.bias)
    images = views()[0]
    hidden = model.input.pattern(len(images), (4, 4), images.device)
    model.input.pattern.forward = lambda *args: hidden
    samples = [DataSample() for _ in images]
    for sample, mask in zip(samples, hidden.cells, strict=True):
        sample.set_field(mask, 'mask')
    compare(model, reference, [images, images], samples)
    torch.testing.assert_close(
        model.input.fill.token.grad, reference.backbone.mask_token.grad[0, 0]
    )


def test_densecl():
    # loss_lambda=1: the dense term. Its global term is an objective with a
    # projector of its own, which a sum over targets adds.
    resnet = dict(
        type='mmpretrain.ResNet', depth=18, base_channels=8, stem_channels=8
    )
    reference = build(
        dict(
            type='mmpretrain.DenseCL',
            backbone=resnet,
            neck=dict(
                type='DenseCLNeck',
                in_channels=64,
                hid_channels=24,
                out_channels=12,
            ),
            head=dict(
                type='ContrastiveHead',
                temperature=0.2,
                loss=dict(type='CrossEntropyLoss'),
            ),
            queue_len=24,
            feat_dim=12,
            loss_lambda=1.0,
        )
    )
    neck = dict(
        type='ConvProjector',
        in_channels=64,
        hidden_channels=24,
        out_channels=12,
    )
    model = shipped('densecl', backbone=resnet, neck=neck)
    model.neck.layers.load_state_dict(reference.neck.mlp2.state_dict())
    model.backbone.load_state_dict(reference.backbone.state_dict())
    model.sync_momentum_encoder()
    negatives = model.objectives['y'].likelihood.negatives
    negatives.queue.copy_(reference.queue2.T)
    inputs = [torch.randn(6, 3, 64, 64) for _ in range(2)]
    loss = model.loss(inputs)['loss_y']
    expected = reference.loss([v.clone() for v in inputs], None)['loss_dense']
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for ours_, theirs in zip(
        model.backbone.parameters(),
        reference.backbone.parameters(),
        strict=True,
    ):
        torch.testing.assert_close(
            ours_.grad, theirs.grad, rtol=1e-6, atol=1e-9
        )
    torch.testing.assert_close(negatives.queue, reference.queue2.T)


def test_clip():
    from open_clip import ClipLoss

    likelihood = Contrast(0.07, learnable=True, normalize=True, symmetric=True)
    image, text = (torch.randn(7, 16, requires_grad=True) for _ in range(2))
    loss = likelihood(image, Features(text)).mean()
    ours_ = torch.autograd.grad(
        loss, [image, text, likelihood.log_temperature]
    )
    units = [torch.nn.functional.normalize(x, dim=-1) for x in (image, text)]
    log_scale = torch.tensor(1 / 0.07).log().requires_grad_()
    expected = ClipLoss()(*units, log_scale.exp())
    theirs = torch.autograd.grad(expected, [image, text, log_scale])
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(ours_[:2], theirs[:2])
    # a temperature is the inverse of CLIP's scale
    torch.testing.assert_close(ours_[2].squeeze(0), -theirs[2])


def test_unigrad_loss():
    data = np.load(f'{DATA}/unigrad_loss.npz')
    prediction = torch.tensor(
        data['pred'], dtype=torch.float64, requires_grad=True
    )
    target = torch.nn.functional.layer_norm(
        torch.tensor(data['target']).double(), data['target'].shape[-1:]
    )
    likelihood = Gaussian(regularizer=dict(type='UniGradTerm', weight=0.02))
    loss = likelihood(prediction, Features(target)).mean()
    loss.backward()
    assert abs(loss.item() - float(data['loss'])) < 1e-6
    torch.testing.assert_close(
        prediction.grad.float(), torch.tensor(data['grad'])
    )


def test_relative_positions():
    data = {
        key: torch.as_tensor(value).to(torch.float64)
        for key, value in np.load(f'{DATA}/relative_position.npz').items()
    }
    count, grid = len(data['delta_i']), int(data['grid_size'])
    # an input crop of side 1 at the origin of an image whose width follows
    # from flip_delta_j = (W - j1 - j2) / w1; j2 is measured in the mirrored
    # image where only the target is mirrored
    zero, one = torch.zeros(count), torch.ones(count)
    width = data['flip_delta_j'] + data['delta_j']
    flip = data['relative_flip'] > 0
    left = torch.where(
        flip, width - data['delta_j'] - data['delta_w'], data['delta_j']
    )
    size = [one, width]
    source = torch.stack([zero, zero, one, one, zero, *size], 1)
    target = torch.stack(
        [
            data['delta_i'],
            left,
            data['delta_h'],
            data['delta_w'],
            flip.float(),
            *size,
        ],
        1,
    )
    coordinates = relative_coordinates(
        source.double(), target.double(), (grid, grid), (grid, grid)
    )
    embedding = relative_embedding(coordinates, int(data['embed_dim']))
    torch.testing.assert_close(
        embedding.float(), data['output'].float(), rtol=1e-5, atol=1e-5
    )
