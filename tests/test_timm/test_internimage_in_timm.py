"""InternImage in timm, by the checks that timm makes of its own models."""

import pytest
import timm
import torch
from timm.data import resolve_model_data_config
from timm.models import load_checkpoint
from timm.optim import create_optimizer_v2
from toy import internimage as official
from toy.hub import serve_hub

import m3i_mm.timm
from m3i_mm.checkpoints.released import released_files
from m3i_mm.models.internimage.archs import ARCHS

pytestmark = pytest.mark.openmmlab
NAMES = [f'internimage_{size}' for size in ARCHS]
TINY = official.ARCHS['tiny_like']
HUGE = official.ARCHS['huge_like']
HEADS = [(TINY, 'conv'), (TINY, 'linear'), (HUGE, 'attention_pool')]


def create(arch=TINY, **settings):
    return timm.create_model('internimage_tiny', arch=arch, **settings)


# file, side of the pictures, classes
TAGS = {
    'tiny.opengvlab_in1k': ('t_1k_224', 224, 1000),
    'small.opengvlab_in1k': ('s_1k_224', 224, 1000),
    'base.opengvlab_in1k': ('b_1k_224', 224, 1000),
    'large.opengvlab_in22k_ft_in1k_384': ('l_22kto1k_384', 384, 1000),
    'large.opengvlab_in22k_384': ('l_22k_192to384', 384, 21841),
    'xlarge.opengvlab_in22k_ft_in1k_384': ('xl_22kto1k_384', 384, 1000),
    'xlarge.opengvlab_in22k_384': ('xl_22k_192to384', 384, 21841),
    'huge.opengvlab_joint_in22k_ft_in1k_640': ('h_22kto1k_640', 640, 1000),
    'huge.opengvlab_joint_in22k_384': ('h_jointto22k_384', 384, 21841),
    'giant.opengvlab_joint_in22k_ft_in1k_512': ('g_22kto1k_512', 512, 1000),
    'giant.opengvlab_joint_in22k_384': ('g_pretrainto22k_384', 384, 21841),
}


def test_all_sizes_are_listed_with_their_weights():
    assert sorted(timm.list_models('internimage*')) == sorted(NAMES)
    tags = timm.list_models('internimage*', pretrained=True)
    assert sorted(tags) == sorted(f'internimage_{tag}' for tag in TAGS)
    for tag, (file, side, classes) in TAGS.items():
        cfg = timm.get_pretrained_cfg(f'internimage_{tag}')
        assert cfg.hf_hub_id == 'OpenGVLab/InternImage'
        assert cfg.hf_hub_filename == f'internimage_{file}.pth'
        assert cfg.input_size == (3, side, side)
        assert cfg.num_classes == classes
        # the default is a classifier of ImageNet-1k
        size = tag.partition('.')[0]
        default = timm.get_pretrained_cfg(f'internimage_{size}')
        assert default.num_classes == 1000


def test_every_classifier_of_imagenet_has_a_tag():
    names = {
        name
        for name, file in released_files().items()
        if file.configs[0].startswith('internimage/')
    }
    assert names == {f'internimage_{file}' for file, _, _ in TAGS.values()}


@pytest.mark.parametrize(
    ('tag', 'arch', 'written'),
    [
        ('tiny.opengvlab_in1k', TINY, dict(head='conv')),
        ('xlarge.opengvlab_in22k_384', TINY, dict(head='conv')),
        ('huge.opengvlab_joint_in22k_384', HUGE, {}),
    ],
)
def test_weights_of_a_tag_come_from_the_hub(tag, arch, written, tmp_path):
    """Files of the official names, with networks of small widths."""
    file, side, classes = TAGS[tag]
    name = f'internimage_{tag}'
    torch.manual_seed(0)
    released = timm.create_model(
        name.partition('.')[0], arch=arch, num_classes=classes, **written
    ).eval()
    content = dict(model=released.state_dict())
    torch.save(content, tmp_path / f'internimage_{file}.pth')
    with serve_hub('OpenGVLab/InternImage', tmp_path):
        settings = dict(arch=arch, cache_dir=tmp_path / 'cache')
        model = timm.create_model(name, pretrained=True, **settings).eval()
        student = timm.create_model(
            name, pretrained=True, num_classes=3, **settings
        ).eval()
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(model(images), released(images))
    torch.testing.assert_close(
        student.forward_features(images), released.forward_features(images)
    )
    assert student(images).shape == (1, 3)
    assert model.pretrained_cfg['input_size'] == (3, side, side)


@pytest.mark.parametrize('size', ARCHS)
def test_parameters_are_those_of_the_classifier_here(size):
    """They are counted in configs/internimage/README.md."""
    counts = dict(
        tiny=29.9,
        small=50.1,
        base=97.5,
        large=223.3,
        xlarge=334.8,
        huge=1089.6,
        giant=3076.4,
    )
    with torch.device('meta'):
        model = timm.create_model(f'internimage_{size}')
    count = sum(p.numel() for p in model.parameters()) / 1e6
    assert round(count, 1) == counts[size]
    cfg = model.default_cfg
    names = model.state_dict()
    assert f'{cfg["first_conv"]}.weight' in names
    assert f'{cfg["classifier"]}.weight' in names
    stride = 16 if size in ('huge', 'giant') else 32
    assert cfg['pool_size'] == (cfg['input_size'][1] // stride,) * 2


def test_a_released_file_gives_the_official_logits(tmp_path):
    arrays, state = official.read(official.DATA / 'tiny_like.npz')
    path = str(tmp_path / 'official.pth')
    torch.save(dict(model=state), path)
    classes = len(state['head.weight'])
    model = create(
        pretrained=True,
        num_classes=classes,
        pretrained_cfg=dict(
            file=path,
            num_classes=classes,
            classifier='head',
            first_conv='patch_embed.conv1',
        ),
    ).eval()
    images = arrays['input']
    with torch.no_grad():
        assert official.relative_error(model(images), arrays['logits']) < 1e-5
        # another number of classes keeps all but the classifier
        other = create(
            pretrained=True,
            num_classes=3,
            pretrained_cfg=dict(
                file=path, num_classes=classes, classifier='head'
            ),
        ).eval()
        torch.testing.assert_close(
            other.forward_features(images), model.forward_features(images)
        )
        assert other(images).shape == (len(images), 3)


def test_one_channel_takes_the_sum_of_three(tmp_path):
    _, state = official.read(official.DATA / 'tiny_like.npz')
    path = str(tmp_path / 'official.pth')
    torch.save(dict(model=state), path)
    cfg = dict(
        file=path,
        num_classes=len(state['head.weight']),
        classifier='head',
        first_conv='patch_embed.conv1',
    )
    grey, colour = (
        create(
            pretrained=True, in_chans=n, num_classes=0, pretrained_cfg=cfg
        ).eval()
        for n in (1, 3)
    )
    image = torch.rand(1, 1, 64, 64)
    torch.testing.assert_close(
        grey(image), colour(image.expand(-1, 3, -1, -1))
    )


@pytest.mark.parametrize(('arch', 'head'), HEADS)
def test_forward_and_classifier(arch, head):
    model = create(arch, head=head, num_classes=5, drop_rate=0.2).eval()
    images = torch.randn(2, 3, 64, 64)
    features = model.forward_features(images)
    assert features.shape[:2] == (2, model.num_features)
    vectors = model.forward_head(features, pre_logits=True)
    assert vectors.shape == (2, model.head_hidden_size)
    logits = model.get_classifier()(vectors)
    torch.testing.assert_close(model(images), logits)
    model.reset_classifier(0)
    torch.testing.assert_close(model(images), vectors)
    model.reset_classifier(0, '')
    assert model(images).shape[2:] == features.shape[2:]
    model.reset_classifier(7, model.pool_type)
    assert model(images).shape == (2, 7)
    assert model.num_classes == model.get_classifier().out_features == 7


@pytest.mark.parametrize(('arch', 'head'), HEADS)
def test_every_parameter_learns(arch, head):
    model = create(arch, head=head, num_classes=5, drop_path_rate=0.1).train()
    for module in model.modules():
        if hasattr(module, 'drop_prob'):
            module.drop_prob = 0.0
    model(torch.randn(2, 3, 64, 64)).mean().backward()
    lacking = [n for n, p in model.named_parameters() if p.grad is None]
    assert not lacking


@pytest.mark.parametrize(('arch', 'head'), HEADS)
def test_intermediates_are_the_maps_of_the_stages(arch, head):
    model = create(arch, head=head).eval()
    images = torch.randn(1, 3, 64, 64)
    last, maps = model.forward_intermediates(images)
    torch.testing.assert_close(last, model.forward_features(images))
    expected = [
        (info['num_chs'], 64 // info['reduction'])
        for info in model.feature_info
    ]
    assert [m.shape[1:3] for m in maps] == expected
    early = model.forward_intermediates(
        images, [1], stop_early=True, intermediates_only=True
    )
    torch.testing.assert_close(early, [maps[1]])
    with pytest.raises(ValueError, match="'NCHW', got 'NLC'"):
        model.forward_intermediates(images, output_fmt='NLC')


@pytest.mark.parametrize(('arch', 'head'), HEADS)
def test_features_only(arch, head):
    torch.manual_seed(0)
    whole = create(arch, head=head).eval()
    images = torch.randn(1, 3, 64, 64)
    net = create(
        arch, head=head, features_only=True, out_indices=(0, 2)
    ).eval()
    net.model.load_state_dict(whole.state_dict(), strict=False)
    expected = whole.forward_intermediates(
        images, [0, 2], intermediates_only=True
    )
    torch.testing.assert_close(net(images), expected)
    assert net.feature_info.channels() == [8, 32]
    assert net.feature_info.reduction() == [4, 16]
    # nothing is left of the last stage and of the head
    names = dict(net.named_parameters())
    assert not [n for n in names if 'levels.3' in n or 'head' in n]
    assert not [n for n in names if 'levels.2.downsample' in n]


def test_checkpointing_changes_no_gradient():
    model = create(num_classes=3).train()
    images = torch.randn(2, 3, 64, 64)
    gradients = []
    for enable in (False, True):
        model.zero_grad()
        model.set_grad_checkpointing(enable)
        model(images).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    torch.testing.assert_close(*gradients)
    blocks = [m for m in model.modules() if hasattr(m, 'with_cp')]
    assert len(blocks) == 5
    assert all(block.with_cp for block in blocks)


@pytest.mark.parametrize(('arch', 'depths'), [(TINY, 5), (HUGE, 7)])
def test_layer_decay_grows_from_stem_to_head(arch, depths):
    model = create(arch)
    optimizer = create_optimizer_v2(
        model, opt='sgd', lr=1.0, layer_decay=0.5, weight_decay=0.1
    )
    scale = {
        id(p): group['lr_scale']
        for group in optimizer.param_groups
        for p in group['params']
    }
    rates = {n: scale[id(p)] for n, p in model.named_parameters()}
    assert len(rates) == len(list(model.parameters()))
    assert rates['head.weight'] == 1
    assert min(rates.values()) == rates['patch_embed.conv1.weight']
    blocks = [
        rates[f'levels.{stage}.blocks.{block}.mlp.fc1.weight']
        for stage, count in enumerate(arch['depths'])
        for block in range(count)
    ]
    assert len(set(blocks)) == depths
    assert blocks == sorted(blocks)
    coarse = model.group_matcher(coarse=True)
    assert set(coarse) == {'stem', 'blocks'}


def test_drop_path_grows_and_data_settings_are_known():
    model = timm.create_model('internimage_tiny', drop_path_rate=0.3)
    rates = [m.drop_prob for m in model.modules() if hasattr(m, 'drop_prob')]
    assert rates == sorted(rates)
    assert (rates[0], round(rates[-1], 6)) == (0, 0.3)
    data = resolve_model_data_config(model)
    assert data['crop_pct'] == 1
    assert data['input_size'] == (3, 224, 224)


def test_a_saved_model_loads_again(tmp_path):
    first, second = create(num_classes=3), create(num_classes=3)
    path = str(tmp_path / 'model.pth')
    torch.save(dict(state_dict=first.state_dict()), path)
    load_checkpoint(second, path)
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(first.eval()(images), second.eval()(images))


def test_mistakes_are_explained():
    with pytest.raises(ValueError, match=r"head must be one of .*, got 'mlp'"):
        create(head='mlp')
    with pytest.raises(ValueError, match="'' or 'avg' with this head"):
        create(global_pool='max')
    with pytest.raises(ValueError, match="global_pool='' needs num_classes=0"):
        create(global_pool='', num_classes=3)
    with pytest.raises(ValueError, match='multiples of 32'):
        create(HUGE)(torch.rand(1, 3, 72, 72))
    assert m3i_mm.timm.__all__
