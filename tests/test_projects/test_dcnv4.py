"""DCNv4 and FlashInternImage against loops and the paper's equations."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / 'projects/dcnv4'

TOY = dict(channels=16, depths=(1, 1, 2, 1), groups=(1, 2, 4, 8))
SCALED = dict(TOY, post_norm=True, layer_scale=0.5, dw_kernel_size=3)
ARCHS = dict(
    tiny_like=TOY,
    base_like=dict(SCALED, offset_scale=0.5),
    large_like=dict(SCALED, offset_scale=2.0, output_bias=True, fc2_bias=True),
)


@pytest.fixture(scope='module', autouse=True)
def package():
    sys.path.insert(0, str(PROJECT))
    import flash_internimage

    yield flash_internimage
    sys.path.remove(str(PROJECT))


def bilinear(value, y, x):
    """Value (H, W, C) at one point, zero outside."""
    height, width, channels = value.shape
    total = np.zeros(channels)
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < height and 0 <= column < width:
                weight = (1 - abs(y - row)) * (1 - abs(x - column))
                total += weight * value[row, column]
    return total


def loops(value, offset_mask, groups, offset_scale=1.0, remove_center=False):
    """Equation 1 with a kernel of 3 x 3, point by point."""
    grid = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]  # x is slow
    if remove_center:
        grid.remove((0, 0))
    points = len(grid)
    batch, height, width, channels = value.shape
    width_of_group = channels // groups
    out = np.zeros(value.shape)
    for b, y, x, g in np.ndindex(batch, height, width, groups):
        part = slice(g * width_of_group, (g + 1) * width_of_group)
        row = offset_mask[b, y, x, 3 * points * g : 3 * points * (g + 1)]
        for k, (i, j) in enumerate(grid):
            dx, dy = row[2 * k : 2 * k + 2]
            out[b, y, x, part] += row[2 * points + k] * bilinear(
                value[b, ..., part],
                y + offset_scale * (j + dy),
                x + offset_scale * (i + dx),
            )
    return out


@pytest.mark.parametrize('remove_center', [False, True])
@pytest.mark.parametrize(('groups', 'scale'), [(1, 1.0), (3, 0.5)])
def test_operator_equals_loops(package, groups, scale, remove_center):
    torch.manual_seed(0)
    value = torch.randn(2, 4, 5, 6, dtype=torch.double)
    # wider than needed, as the projection is
    offset_mask = torch.randn(2, 4, 5, 27 * groups + 5, dtype=torch.double)
    out = package.dcnv4(
        value,
        offset_mask,
        groups=groups,
        offset_scale=scale,
        remove_center=remove_center,
    )
    expected = loops(
        value.numpy(), offset_mask.numpy(), groups, scale, remove_center
    )
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-12)


def test_gradients(package):
    torch.manual_seed(0)
    layer = package.DCNv4(4, groups=2, dw_kernel_size=3).double()
    for p in layer.parameters():
        torch.nn.init.normal_(p, std=0.3)
    x = torch.randn(1, 3, 4, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)


def norm(x, state, name):
    return F.layer_norm(
        x, x.shape[-1:], state[f'{name}.weight'], state[f'{name}.bias'], 1e-6
    )


def linear(x, state, name):
    return F.linear(x, state[f'{name}.weight'], state.get(f'{name}.bias'))


def convolve(x, state, name, **settings):
    """A convolution of (B, H, W, C)."""
    out = F.conv2d(
        x.permute(0, 3, 1, 2),
        state[f'{name}.weight'],
        state.get(f'{name}.bias'),
        padding=1,
        **settings,
    )
    return out.permute(0, 2, 3, 1)


def reference_layer(x, state, name, groups, arch):
    guide = x
    if arch.get('dw_kernel_size'):
        guide = convolve(
            x, state, f'{name}.offset_mask_dw', groups=x.shape[-1]
        )
    sampled = loops(
        linear(x, state, f'{name}.value_proj').numpy(),
        linear(guide, state, f'{name}.offset_mask').numpy(),
        groups,
        arch.get('offset_scale', 1.0),
    )
    return linear(torch.from_numpy(sampled), state, f'{name}.output_proj')


def reference(image, state, arch):
    """The network written out, from tensors under the official names."""

    def mlp(x, name):
        hidden = F.gelu(linear(x, state, f'{name}.fc1'))
        return linear(hidden, state, f'{name}.fc2')

    x = image.permute(0, 2, 3, 1)
    x = convolve(x, state, 'patch_embed.conv1', stride=2)
    x = F.gelu(norm(x, state, 'patch_embed.norm1.1'))
    x = convolve(x, state, 'patch_embed.conv2', stride=2)
    x = norm(x, state, 'patch_embed.norm2.1')
    maps = []
    for stage, depth in enumerate(arch['depths']):
        level = f'levels.{stage}'
        groups = arch['groups'][stage]
        for index in range(depth):
            block = f'{level}.blocks.{index}'
            for number, layer in (
                (
                    1,
                    lambda x: reference_layer(
                        x, state, f'{block}.dcn', groups, arch
                    ),
                ),
                (2, lambda x: mlp(x, f'{block}.mlp')),
            ):
                name = f'{block}.norm{number}.0'
                if arch.get('post_norm'):
                    gamma = state[f'{block}.gamma{number}']
                    x = x + gamma * norm(layer(x), state, name)
                else:
                    x = x + layer(norm(x, state, name))
        if not arch.get('post_norm'):
            x = norm(x, state, f'{level}.norm.0')
        maps.append(x.permute(0, 3, 1, 2))
        if stage < 3:
            x = convolve(x, state, f'{level}.downsample.conv', stride=2)
            x = norm(x, state, f'{level}.downsample.norm.1')
    return maps


@pytest.mark.parametrize('name', ARCHS)
def test_network_equals_its_equations(package, name):
    torch.manual_seed(0)
    model = package.FlashInternImage(ARCHS[name]).double()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.2)
    image = torch.randn(1, 3, 32, 48, dtype=torch.double)
    with torch.no_grad():
        maps = model(image)
        expected = reference(image, model.state_dict(), ARCHS[name])
    for ours, theirs in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ('arch', 'parameters'),
    [
        ('tiny', 28_651_776),
        ('small', 48_490_176),
        ('base', 94_897_048),
        ('large', 218_914_640),
    ],
)
def test_sizes_are_the_published_ones(package, arch, parameters):
    with torch.device('meta'):
        model = package.FlashInternImage(arch)
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_a_file_of_the_authors_loads_by_its_names(package, tmp_path):
    source = package.FlashInternImage(ARCHS['large_like'])
    for p in source.parameters():
        torch.nn.init.normal_(p)
    names = {n for n in source.state_dict() if '.2.blocks.1.' in n}
    prefix = 'levels.2.blocks.1'
    assert names == {
        f'{prefix}.{name}'
        for name in (
            *('gamma1', 'gamma2', 'norm1.0.weight', 'norm1.0.bias'),
            *('norm2.0.weight', 'norm2.0.bias'),
            *('dcn.offset_mask_dw.weight', 'dcn.offset_mask_dw.bias'),
            *('dcn.offset_mask.weight', 'dcn.offset_mask.bias'),
            *('dcn.value_proj.weight', 'dcn.value_proj.bias'),
            *('dcn.output_proj.weight', 'dcn.output_proj.bias'),
            *('mlp.fc1.weight', 'mlp.fc1.bias'),
            *('mlp.fc2.weight', 'mlp.fc2.bias'),
        )
    }
    # 4 groups of 9 points: 108 padded to 112 rows
    assert source.levels[2].blocks[1].dcn.offset_mask.out_features == 112
    path = str(tmp_path / 'flash.pth')
    head = {'conv_head.0.weight': torch.ones(1), 'head.bias': torch.ones(1)}
    torch.save({'model': {**source.state_dict(), **head}}, path)
    model = package.FlashInternImage(
        ARCHS['large_like'],
        init_cfg=dict(type='Pretrained', checkpoint=path),
    )
    model.init_weights()
    for name, value in model.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


def test_starts_without_offsets_and_factors(package):
    model = package.FlashInternImage(ARCHS['base_like'])
    for p in model.levels.parameters():
        torch.nn.init.normal_(p)
    model.init_weights()
    layer = model.levels[1].blocks[0].dcn
    assert not layer.offset_mask.weight.any()
    assert layer.value_proj.weight.any()


@pytest.mark.parametrize(
    'path', sorted((PROJECT / 'configs').glob('*.py')), ids=lambda p: p.stem
)
def test_configs_build(package, path):
    from m3i_mm.runs.building import build_model

    config = Config.fromfile(path)
    config.load_from = None
    with torch.device('meta'):
        model = build_model(config, 'model')
    assert isinstance(model.backbone, package.FlashInternImage)
    name = path.stem.split('_')[0].split('-')[-1]
    full = next(arch for arch in package.FLASH_ARCHS if arch[0] == name)
    assert model.backbone.arch == package.FLASH_ARCHS[full]
    width = model.neck.conv_head[0].in_channels
    assert width == model.backbone.num_features


def test_bad_settings_say_what_would_be_right(package):
    with pytest.raises(ValueError, match='it has tiny, small, base, large;'):
        package.FlashInternImage('huge')
    with pytest.raises(ValueError, match="unknown keys .'bias'."):
        package.FlashInternImage(dict(TOY, bias=True))
    with pytest.raises(ValueError, match='10 channels and 4 groups'):
        package.DCNv4(10)
    with pytest.raises(ValueError, match='must be odd, got 3 and 4'):
        package.DCNv4(8, dw_kernel_size=4)
    with pytest.raises(ValueError, match='needs 54 channels for 2 groups'):
        package.dcnv4(
            torch.ones(1, 2, 2, 4), torch.ones(1, 2, 2, 27), groups=2
        )
