"""Files of the authors by name: the table, and files as they are in it."""

import json
import sys

import pytest
import torch
from mmdet.datasets import CocoDataset
from mmengine.config import Config
from toy import released as official
from toy.downstream import (
    ROOT,
    read_config,
    use_data,
    write_detection_set,
)

from m3i_mm.apis import get_model
from m3i_mm.checkpoints import (
    CheckpointError,
    MissingCheckpointError,
    addresses,
    read_checkpoint,
    reading,
    released_files,
)
from m3i_mm.checkpoints.fitting import fit_weights
from m3i_mm.commands import main
from m3i_mm.runs import cli
from m3i_mm.runs.building import build_model
from m3i_mm.runs.config_check import ConfigError
from m3i_mm.runs.reading import config_of_released

FILES = official.released()
# (tensors, parameters) of the authors' models, counted by running their code
COUNTED = dict(
    t=(633, 29_918_424),
    s=(751, 50_079_880),
    b=(751, 97_461_832),
    l=(839, 223_334_810),
    xl=(883, 334_819_780),
    h=(1357, 1_089_636_760),
    g=(1295, 3_076_373_352),
)


@pytest.mark.parametrize('size', COUNTED)
def test_the_generated_classifiers_are_those_of_the_authors(size):
    with torch.device('meta'):
        state = official.classifier(official.SIZES[size])
    buffers = ('running_mean', 'running_var', 'num_batches_tracked')
    parameters = sum(
        value.numel()
        for name, value in state.items()
        if not name.endswith(buffers)
    )
    assert (len(state), parameters) == COUNTED[size]


def test_the_table_has_every_file():
    assert set(released_files()) == set(FILES)
    for name, file in released_files().items():
        assert file.url.endswith(f'/{name}.pth')
        assert file.tasks
        for config in file.configs:
            assert (ROOT / 'configs' / f'{config}.py').is_file()


@pytest.mark.parametrize('name', sorted(FILES))
def test_the_whole_file_goes_into_the_model_of_its_config(name):
    """At full size, without memory: no tensor is lacking or left over."""
    file = released_files()[name]
    cfg = read_config(f'{file.configs[0]}.py')
    cfg.merge_from_dict(dict(file.options))
    with torch.device('meta'):
        model = build_model(cfg)
        content = FILES[name]()
    averaged = name.startswith('cascade') and '3x' in name
    if averaged:
        content = official.moving_average(content)
    kind = 'model' if name.startswith('internimage') else 'state_dict'
    fit = fit_weights(model, {kind: content})
    left = [n for n in fit.comparison.left_over if not n.startswith('ema_')]
    assert fit.comparison.lacking == []
    assert fit.comparison.unequal == []
    assert left == []
    assert fit.error == ''
    fit.require(name)


NAME = 'mask_rcnn_internimage_t_fpn_1x_coco'
SMALL = official.Size(16, (1, 1, 1, 1), (1, 2, 4, 8), post_norm=False)
BACKBONE = dict(
    arch=dict(channels=16, depths=(1, 1, 1, 1), groups=(1, 2, 4, 8))
)


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """A server that has one small Mask R-CNN under every address."""
    asked = []
    file = tmp_path / 'download.pth'
    state = {k: v / 20 for k, v in official.mask_rcnn(SMALL).items()}
    torch.save(dict(state_dict=state, meta=dict(epoch=12)), file)

    def download(url):
        asked.append(url)
        return str(file)

    monkeypatch.setattr(reading, 'download', download)
    # away from any file of that name
    monkeypatch.chdir(tmp_path)
    return asked, state


@pytest.mark.parametrize('ending', ['', '.pth'])
def test_a_model_by_the_name_of_its_file(downloads, ending):
    asked, state = downloads
    model = get_model(
        NAME + ending,
        pretrained=True,
        backbone=dict(arch=dict(_delete_=True, **BACKBONE['arch'])),
        neck=dict(in_channels=SMALL.widths),
    )
    assert asked == [released_files()[NAME].url]
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_weights_by_name_beside_any_config(downloads):
    asked, state = downloads
    backbone = dict(type='m3i_mm.InternImage', layer_scale=1.0, **BACKBONE)
    model = get_model(Config(dict(model=backbone)), pretrained=f'{NAME}.pth')
    assert asked == [released_files()[NAME].url]
    name = 'levels.3.blocks.0.mlp.fc2.bias'
    assert torch.equal(model.state_dict()[name], state[f'backbone.{name}'])


def test_a_file_here_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert addresses.look_up(NAME) == released_files()[NAME].url
    assert addresses.look_up(f'there/{NAME}.pth') == f'there/{NAME}.pth'
    (tmp_path / f'{NAME}.pth').touch()
    assert addresses.look_up(f'{NAME}.pth') == f'{NAME}.pth'


def test_the_config_that_a_file_is_evaluated_by():
    assert config_of_released(f'{NAME}.pth') == (
        'coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco'
    )
    for name, words in {
        'mask_rcnn_internimage_t_fpn_coco': 'mean .mask_rcnn_internimage_t_fp',
        'dino_4scale_cbinternimage_h_objects365_lvis': 'lvis-v1 or .*minival',
        'internimage_l_22k_192to384': 'pre-training without a test set',
    }.items():
        with pytest.raises(ConfigError, match=words):
            config_of_released(name)


@pytest.fixture
def small_config(tmp_path):
    """The config of the small file, on a tiny set."""
    write_detection_set(tmp_path, CocoDataset.METAINFO['classes'])
    cfg = read_config('coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py')
    # the sizes of the backbone only: the heads are as large as in the file
    cfg.model.backbone.update(BACKBONE)
    cfg.model.neck.in_channels = SMALL.widths
    cfg.model.test_cfg.rpn.update(nms_pre=20, max_per_img=20)
    cfg.model.test_cfg.rcnn.score_thr = 0.0  # or nothing is detected
    use_data(cfg, tmp_path).dump(tmp_path / 'small.py')
    return str(tmp_path / 'small.py')


def test_evaluation_by_the_name_alone(
    downloads, small_config, tmp_path, monkeypatch
):
    asked, _ = downloads
    monkeypatch.setattr(cli, 'config_of_released', lambda name: small_config)
    out = tmp_path / 'metrics.json'
    cli.main_test([NAME, '--out', str(out), '--work-dir', str(tmp_path)])
    assert asked == [released_files()[NAME].url]
    assert 'coco/bbox_mAP' in json.loads(out.read_text())


def test_prediction_by_the_name_alone(
    downloads, small_config, tmp_path, monkeypatch
):
    asked, _ = downloads
    monkeypatch.setattr(sys, 'argv', list(sys.argv))
    monkeypatch.setattr(
        'm3i_mm.runs.run_folder.config_of_released', lambda name: small_config
    )
    picture = next((tmp_path / 'images').iterdir())
    words = ['--checkpoint', NAME, '--out', str(tmp_path / 'found')]
    main(['predict', str(picture), *words, '--score-threshold', '0'])
    assert asked == [released_files()[NAME].url]
    found = json.loads((tmp_path / 'found/predictions.json').read_text())
    (prediction,) = found.values()
    name = prediction['objects'][0]['name'].replace('_', ' ')
    assert name in CocoDataset.METAINFO['classes']


def test_a_misspelt_name_proposes_near_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = "mask_rcnn_internimage_t_fpn_1x.pth.*mean '.*'"
    with pytest.raises(MissingCheckpointError, match=message):
        read_checkpoint('mask_rcnn_internimage_t_fpn_1x.pth')
    with pytest.raises(ValueError, match="'mask_rcnn_internimage_t_fpn_1x_c"):
        get_model('mask_rcnn_internimage_t_fpn_1x')


@pytest.mark.parametrize(
    ('name', 'config', 'words'),
    [
        (
            'mask_rcnn_internimage_s_fpn_1x_coco',
            'coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py',
            "'small' .* not fit .* 'tiny'.*coco/mask-rcnn_internimage-s_",
        ),
        (
            'upernet_internimage_t_512_160k_ade20k',
            'coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py',
            'semantic segmentation, of the config ade20k/upernet',
        ),
        (
            'internimage_t_1k_224',
            'coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py',
            'it lacks .* image classification, of the config internimage',
        ),
        (
            'dino_4scale_internimage_t_1x_coco',
            'ade20k/upernet_internimage-t_8xb2-160k_ade20k-512x512.py',
            'object detection, of the config coco/dino',
        ),
    ],
)
def test_a_file_of_another_size_or_task(name, config, words):
    cfg = read_config(config)
    with torch.device('meta'):
        model = build_model(cfg)
        fit = fit_weights(model, dict(state_dict=FILES[name]()))
    with pytest.raises(CheckpointError, match=words) as error:
        fit.require(f'{name}.pth')
    assert '\n' not in str(error.value)
