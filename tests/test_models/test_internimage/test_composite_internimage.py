"""CompositeInternImage: fusion, branches, odd sizes, layer depths."""

import pytest
import torch
import torch.nn.functional as F

from m3i_mm.models.internimage import CompositeInternImage, InternImage

pytestmark = pytest.mark.openmmlab

ARCH = dict(channels=16, depths=(1, 1, 2, 1), groups=(1, 2, 4, 8))


@pytest.fixture
def composite():
    torch.manual_seed(0)
    model = CompositeInternImage(arch=ARCH, out_indices=(1, 2, 3)).eval()
    for fusion in model.fusions:
        torch.nn.init.normal_(fusion.gamma)
    return model


@pytest.mark.parametrize('size', [(64, 96), (65, 50)])
def test_lead_matches_a_stage_by_stage_reference(composite, size):
    """Against the formula written out, at even and odd sizes."""
    image = torch.randn(2, 3, *size)
    assistant, lead = composite.assistant, composite.lead
    with torch.no_grad():
        maps = assistant(image)
        x = assistant.patch_embed(image)
        expected = []
        for i, stage in enumerate(lead.levels):
            fused = torch.zeros_like(maps[i])
            for j in range(i, 4):
                project = composite.fusions[i].projections[j - i]
                projected = project(maps[j])
                fused += F.interpolate(projected, maps[i].shape[2:])
            fused *= composite.fusions[i].gamma[:, None, None]
            out, x = stage(x + fused.permute(0, 2, 3, 1))
            expected.append(out.permute(0, 3, 1, 2))
        given = composite.forward_branches(image)
        alone = composite(image)
    for branch, reference in zip(given, (maps, expected), strict=True):
        for found, wanted in zip(branch, reference[1:], strict=True):
            torch.testing.assert_close(found, wanted)
    for found, wanted in zip(alone, given[1], strict=True):
        torch.testing.assert_close(found, wanted)


def test_zero_factors_make_the_lead_a_plain_internimage():
    model = CompositeInternImage(arch=ARCH).eval()
    plain = InternImage(arch=ARCH).eval()
    assistant, lead = model.assistant, model.lead
    state = lead.state_dict()
    for name, value in assistant.patch_embed.state_dict().items():
        state[f'patch_embed.{name}'] = value
    plain.load_state_dict(state)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for found, wanted in zip(model(image), plain(image), strict=True):
            torch.testing.assert_close(found, wanted)


def test_every_parameter_has_a_gradient(composite):
    assistant, lead = composite.forward_branches(torch.randn(1, 3, 64, 64))
    sum(x.square().mean() for x in (*assistant, *lead)).backward()
    missing = [n for n, p in composite.named_parameters() if p.grad is None]
    assert not missing


@pytest.mark.parametrize(
    ('name', 'depth'),
    [
        ('assistant.patch_embed.conv1.weight', 0),
        ('assistant.levels.0.blocks.0.gamma1', 1),
        ('lead.levels.2.blocks.1.mlp.fc1.weight', 4),
        ('lead.levels.3.blocks.0.mlp.fc1.weight', 5),
        ('fusions.0.gamma', 6),
        ('fusions.0.projections.1.weight', 6),
    ],
)
def test_layer_depth(composite, name, depth):
    found = composite.get_layer_depth(f'backbone.{name}', 'backbone.')
    assert found == (depth, 7)


def test_freezing_leaves_the_rest_trainable():
    model = CompositeInternImage(arch=ARCH, frozen_stages=1).train()
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    parts = (
        'assistant.patch_embed.',
        'assistant.levels.0.',
        'lead.levels.0.',
    )
    expected = {
        name for name, _ in model.named_parameters() if name.startswith(parts)
    }
    assert frozen == expected
    for part in parts:
        assert any(name.startswith(part) for name in frozen)
