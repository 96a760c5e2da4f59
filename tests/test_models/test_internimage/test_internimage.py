"""InternImage: function, sizes, counts, freezing and initialisation."""

import copy

import pytest
import torch
from toy import internimage as official
from toy.versions import ONE_GRAPH

from m3i_mm.models.internimage import DCNv3, InternImage
from m3i_mm.models.internimage.archs import ARCHS, InternImageArch

pytestmark = pytest.mark.openmmlab

TOY = official.ARCHS['tiny_like']
FILES = dict(
    tiny_like='tiny_like.npz',
    small_like='small_like.npz',
    large_like='large_like.npz',
    huge_like='huge_like_backbone.npz',
)


@pytest.mark.parametrize('name', FILES)
def test_maps_equal_the_official_code(name):
    arrays, state = official.read(official.DATA / FILES[name])
    model = InternImage(official.ARCHS[name]).eval()
    model.load_state_dict(official.backbone_part(state))
    with torch.no_grad():
        maps = model(arrays['input'])
    assert len(maps) == 4
    for index, value in enumerate(maps):
        expected = arrays[f'stage{index}']
        assert official.relative_error(value, expected) < 1e-5


@pytest.mark.parametrize(
    ('arch', 'count', 'tensors'),
    [
        ('tiny', 28_754_672, 625),
        ('small', 48_502_560, 743),
        ('base', 94_909_920, 743),
        ('large', 218_952_370, 831),
        ('xlarge', 328_971_228, 875),
        ('huge', 1_073_122_480, 1335),
        ('giant', 3_052_781_184, 1273),
    ],
)
def test_parameter_counts_are_the_published_ones(arch, count, tensors):
    with torch.device('meta'):
        model = InternImage(arch)
    assert sum(p.numel() for p in model.parameters()) == count
    assert len(model.state_dict()) == tensors


def test_layer_scale_of_the_detectors_adds_its_parameters():
    with torch.device('meta'):
        model = InternImage('tiny', layer_scale=1.0)
    assert sum(p.numel() for p in model.parameters()) == 28_769_520


@pytest.mark.parametrize(
    ('size', 'expected'),
    [
        ((225, 223), [(57, 56), (29, 28), (15, 14), (8, 7)]),
        ((32, 64), [(8, 16), (4, 8), (2, 4), (1, 2)]),
    ],
)
def test_maps_have_the_ceiling_of_odd_sizes(size, expected):
    maps = InternImage(TOY)(torch.randn(1, 3, *size))
    assert [tuple(m.shape[2:]) for m in maps] == expected
    assert [m.shape[1] for m in maps] == [8, 16, 32, 64]
    assert all(m.is_contiguous() for m in maps)


def test_out_indices_choose_the_stages():
    torch.manual_seed(0)
    model = InternImage(TOY)
    image = torch.randn(1, 3, 32, 32)
    every = model(image)
    model.out_indices = (1, 3)
    assert all(map(torch.equal, model(image), (every[1], every[3])))


@pytest.mark.parametrize('norm', ['LN', 'BN'])
def test_activation_checkpointing_changes_nothing(norm):
    torch.manual_seed(0)
    plain = InternImage(
        official.ARCHS['small_like'], drop_path_rate=0.5, norm_layer=norm
    )
    lean = copy.deepcopy(plain)
    for stage in lean.levels:
        for block in stage.blocks:
            block.with_cp = True
    image = torch.randn(2, 3, 32, 32)
    for model in (plain, lean):
        torch.manual_seed(1)
        sum(m.square().mean() for m in model(image)).backward()
    for (name, p), q in zip(
        plain.named_parameters(), lean.parameters(), strict=True
    ):
        torch.testing.assert_close(p.grad, q.grad, msg=name)
    # the forward pass is repeated, running statistics move once
    for (name, p), q in zip(
        plain.named_buffers(), lean.buffers(), strict=True
    ):
        assert torch.equal(p, q), name
    assert all(
        module.momentum == 0.1
        for module in lean.modules()
        if isinstance(module, torch.nn.BatchNorm2d)
    )


def test_drop_path_grows_linearly_over_all_blocks():
    model = InternImage(TOY, drop_path_rate=0.4)
    rates = [
        block.drop_path.drop_prob
        for stage in model.levels
        for block in stage.blocks
    ]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    ('frozen', 'trainable'),
    [(-1, 'patch_embed'), (0, 'levels.0'), (2, 'levels.2')],
)
def test_frozen_stages_include_the_stem(frozen, trainable):
    model = InternImage(TOY, frozen_stages=frozen).train()
    names = [n for n, p in model.named_parameters() if p.requires_grad]
    assert names[0].startswith(trainable)
    assert model.patch_embed.training == (frozen < 0)
    assert model.levels[3].training


def test_norm_eval_keeps_batch_norm_in_evaluation_mode():
    for norm_eval in (True, False):
        model = InternImage(TOY, norm_layer='BN', norm_eval=norm_eval).train()
        norms = [
            m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)
        ]
        assert len(norms) == 10
        assert all(norm.training != norm_eval for norm in norms)
    model(torch.randn(2, 3, 64, 64))


def test_initialisation_leaves_a_box_filter():
    torch.manual_seed(0)
    model = InternImage(official.ARCHS['small_like'])
    for p in model.levels.parameters():
        torch.nn.init.normal_(p)
    model.init_weights()
    block = model.levels[2].blocks[0]
    for layer in (block.dcn.offset, block.dcn.mask):
        assert not layer.weight.any()
        assert not layer.bias.any()
    bound = (6 / 64) ** 0.5  # Xavier for 32 -> 32 channels
    weight = block.dcn.input_proj.weight
    assert 0.9 * bound < weight.abs().max() <= bound
    assert block.mlp.fc1.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not block.mlp.fc1.bias.any()


def test_nothing_is_initialised_after_a_pretrained_file(tmp_path):
    source = InternImage(TOY)
    for p in source.parameters():
        torch.nn.init.normal_(p)
    path = str(tmp_path / 'file.pth')
    torch.save(source.state_dict(), path)
    model = InternImage(TOY, init_cfg=dict(type='Pretrained', checkpoint=path))
    model.init_weights()
    for name, value in model.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


def test_seed_makes_the_output_deterministic():
    def run():
        torch.manual_seed(3)
        model = InternImage(TOY, drop_path_rate=0.5)
        return model(torch.randn(2, 3, 32, 32))[-1]

    assert torch.equal(run(), run())


@ONE_GRAPH
def test_compiles_without_a_graph_break():
    model = InternImage(TOY, backend='torch').eval()
    image = torch.randn(1, 3, 32, 32)
    compiled = torch.compile(model, backend='aot_eager', fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(image), model(image))


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (dict(arch='tinny'), "no arch 'tinny', it has tiny, small, base"),
        (dict(arch=dict(TOY, depth=3)), r"unknown keys \['depth'\]"),
        (dict(arch=dict(channels=8)), r"lacks \['depths', 'groups'\]"),
        (dict(arch=dict(TOY, depths=(1, 2))), 'need 4 numbers'),
        (dict(arch=dict(TOY, head='fc')), "got 'fc'"),
        (
            dict(arch=dict(TOY, res_post_norm=True, layer_scale=1.0)),
            'no effect',
        ),
        (
            dict(arch=dict(TOY, level2_post_norm_block_ids=(1, 2))),
            r'\[2\] lie outside',
        ),
        (dict(arch=dict(TOY, groups=(3, 6, 12, 24))), '8 channels and 3'),
        (dict(arch=TOY, out_indices=(3, 4)), 'out_indices'),
        (dict(arch=TOY, frozen_stages=5), 'frozen_stages'),
        (dict(arch=TOY, norm_layer='GN'), "'LN' or 'BN', got 'GN'"),
    ],
)
def test_bad_settings_say_what_would_be_right(arguments, words):
    with pytest.raises(ValueError, match=words):
        InternImage(**arguments)


def test_published_archs_agree_with_the_paper():
    assert {name: arch.groups for name, arch in ARCHS.items()} == dict(
        tiny=(4, 8, 16, 32),
        small=(5, 10, 20, 40),
        base=(7, 14, 28, 56),
        large=(10, 20, 40, 80),
        xlarge=(12, 24, 48, 96),
        huge=(10, 20, 40, 80),
        giant=(16, 32, 64, 128),
    )
    assert ARCHS['giant'].level2_post_norm_block_ids == tuple(range(5, 48, 6))
    assert ARCHS['huge'].level2_post_norm_block_ids == (5, 11, 17, 23, 29)
    assert ARCHS['giant'].post_norm
    assert not ARCHS['huge'].post_norm
    assert isinstance(InternImage(TOY).arch, InternImageArch)


class TestDCNv3:
    @pytest.mark.parametrize('remove_center', [False, True])
    def test_stride_halves_the_output(self, remove_center):
        torch.manual_seed(0)
        layer = DCNv3(
            8,
            groups=2,
            stride=2,
            center_feature_scale=True,
            remove_center=remove_center,
        )
        assert layer(torch.randn(2, 7, 10, 8)).shape == (2, 4, 5, 8)

    def test_starts_as_a_box_filter(self):
        layer = DCNv3(4, groups=1)
        x = torch.randn(1, 5, 6, 4)
        value = layer.input_proj(x).permute(0, 3, 1, 2)
        box = torch.nn.functional.avg_pool2d(value, 3, stride=1, padding=1)
        expected = layer.output_proj(box.permute(0, 2, 3, 1))
        torch.testing.assert_close(layer(x), expected)

    def test_gradients_in_double_precision(self):
        torch.manual_seed(0)
        layer = DCNv3(4, groups=2, center_feature_scale=True).double()
        for p in layer.parameters():
            torch.nn.init.normal_(p, std=0.3)
        x = torch.randn(1, 3, 4, 4, dtype=torch.double, requires_grad=True)
        assert torch.autograd.gradcheck(layer, x)

    @pytest.mark.parametrize(
        ('arguments', 'words'),
        [
            (dict(channels=10, groups=4), '10 channels and 4 groups'),
            (dict(channels=8, kernel_size=2), 'must be odd, got 2'),
            (dict(channels=8, dw_kernel_size=4), 'must be odd, got 3 and 4'),
        ],
    )
    def test_bad_settings(self, arguments, words):
        with pytest.raises(ValueError, match=words):
            DCNv3(**arguments)
