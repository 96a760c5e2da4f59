"""From pictures to a plan, a config and a backbone."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from m3i_mm.commands import main
from m3i_mm.runs.config_check import ConfigError
from m3i_mm.runs.recipe import plan_pretraining, write_recipe
from m3i_mm.runs.survey import survey

pytestmark = pytest.mark.openmmlab


def write_pictures(folder, names):
    rng = np.random.default_rng(0)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)
        cv2.imwrite(str(path), pixels)
    return folder


@pytest.fixture
def flat(tmp_path):
    return write_pictures(tmp_path / 'flat', [f'{i}.png' for i in range(6)])


@pytest.fixture
def classes(tmp_path):
    names = [f'{kind}/{i}.png' for kind in ('cat', 'dog') for i in range(3)]
    return write_pictures(tmp_path / 'classes', names)


def write_list(folder, name='list.csv'):
    rows = [f'{i}.png,picture {i},{"ab"[i % 2]}' for i in range(6)]
    (folder / name).write_text('\n'.join(['file,caption,class', *rows]))


def test_flat_folder(flat):
    found = survey(str(flat))
    assert (found.count, found.classes, found.texts) == (6, [], 0)
    assert str(found).endswith(
        '6 pictures (ImageFolderSource), no classes, no captions, 0 of 6 '
        'tried are broken'
    )
    assert plan_pretraining([found]).targets == ['inter']


def test_class_folders(classes):
    found = survey(str(classes))
    assert found.classes == ['cat', 'dog']
    assert plan_pretraining([found]).targets == ['category', 'inter']
    plan = plan_pretraining([found], without=['category', 'intra'])
    assert plan.targets == ['inter']
    plan = plan_pretraining([found], model='vit-small-p16')
    assert plan.targets == ['category', 'intra', 'inter']


def test_list_with_columns_by_name(flat):
    write_list(flat)
    found = survey(str(flat))
    assert found.source['text'] == 'caption'
    assert (found.classes, found.named) == (['a', 'b'], True)
    assert found.texts == 6
    with pytest.raises(ConfigError, match="no column 'fil'.*'file'"):
        survey(str(flat), dict(image='fil'))
    with pytest.raises(ConfigError, match="columns are.*mean 'image'"):
        survey(str(flat), dict(imge='file'))
    write_list(flat, 'other.csv')
    with pytest.raises(ConfigError, match=r'several lists.*other\.csv'):
        survey(str(flat))


def test_columns_that_are_not_clear(flat):
    (flat / 'list.csv').write_text('picture,words\n0.png,a')
    with pytest.raises(ConfigError, match='picture, words.*--columns image'):
        survey(str(flat))


def test_texts_beside_pictures(flat):
    for number in range(6):
        (flat / f'{number}.txt').write_text(f'picture {number}')
    assert survey(str(flat)).texts == 6


def test_labels_of_some(flat):
    rows = [dict(image=f'{i}.png', label=i) for i in range(5)]
    rows.append(dict(image='5.png', label=None))
    text = '\n'.join(map(json.dumps, rows))
    (flat / 'list.jsonl').write_text(text)
    found = survey(str(flat))
    assert not found.classes
    assert '1 pictures have no label' in str(found)


def test_broken_pictures_are_counted(flat):
    (flat / '3.png').write_bytes(b'no picture')
    assert survey(str(flat)).broken == ['3.png']


@pytest.mark.parametrize('name', ['absent', 'empty', 'broken'])
def test_no_pictures(tmp_path, name):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken' / 'a.png').write_bytes(b'')
    with pytest.raises(ConfigError, match=name) as error:
        survey(str(tmp_path / name))
    assert '\n' not in str(error.value)


def test_a_plan_that_cannot_be(flat):
    found = [survey(str(flat))]
    with pytest.raises(ConfigError, match="'vit-smal'.*'vit-small-p16'"):
        plan_pretraining(found, model='vit-smal')
    with pytest.raises(ConfigError, match='batch-size 3.*mix'):
        plan_pretraining(found, model='vit-small-p16', batch_size=3)
    with pytest.raises(ConfigError, match='batch-size 1.*others'):
        plan_pretraining(found, batch_size=1)
    with pytest.raises(ConfigError, match='no target'):
        plan_pretraining(found, without=['inter'])


def test_a_small_batch_is_told_where_pictures_are_told_apart(flat):
    plan = plan_pretraining([survey(str(flat))])
    assert plan.batch_size == 6
    assert 'those of 5 other pictures' in str(plan)
    few = [survey(str(flat))] * 11
    assert plan_pretraining(few).batch_size == 64
    assert 'other pictures' not in str(plan_pretraining(few))
    mixes = plan_pretraining([survey(str(flat))], model='vit-small-p16')
    assert 'other pictures' not in str(mixes)


@pytest.mark.parametrize(
    ('size', 'other'), [(96, 48), (64, 32), (48, 32), (32, 32), (16, 16)]
)
def test_the_other_view_is_smaller_where_it_is_told_apart(
    flat, tmp_path, size, other
):
    found = [survey(str(flat))]
    plan = plan_pretraining(found, image_size=size)
    assert plan.other_size == other
    assert f'{size} and {other} px' in str(plan) or size == other
    write_recipe(tmp_path / 'mine.py', found, plan)
    cfg = Config.fromfile(tmp_path / 'mine.py')
    sizes = [view[1]['size'] for view in cfg.views[0]['transforms']]
    assert sizes == [size, other]
    # features of its patches are a target of the others
    plan = plan_pretraining(found, model='vit-small-p16', image_size=size)
    assert plan.other_size == size


@pytest.mark.parametrize('labels', [False, True])
@pytest.mark.parametrize('texts', [False, True])
def test_the_small_model_has_the_form_of_the_experiments(
    flat, tmp_path, labels, texts
):
    rows = [dict(image=f'{i}.png') for i in range(6)]
    for number, row in enumerate(rows):
        row.update(dict(label=number % 2) if labels else {})
        row.update(dict(text=f'picture {number}') if texts else {})
    (flat / 'list.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    found = [survey(str(flat))]
    path = tmp_path / 'mine.py'
    write_recipe(path, found, plan_pretraining(found))
    cfg = Config.fromfile(path)
    there = [name for name, cfg in cfg.model.objectives.items() if cfg]
    assert set(there) == {
        'inter',
        *['category'] * labels,
        *['text'] * texts,
    }
    assert cfg.model.input.type == 'BothViews'
    assert cfg.model.objectives.inter.likelihood.type == 'Contrast'
    assert cfg.model.momentum_encoder is None
    keys = cfg.optim_wrapper.paramwise_cfg.custom_keys
    assert keys.text_encoder.lr_mult < 1


def test_the_config_of_a_mixture(flat, classes, tmp_path):
    write_list(flat)
    found = [survey(str(classes)), survey(str(flat))]
    plan = plan_pretraining(found, model='vit-small-p16', image_size=64)
    path = tmp_path / 'mine.py'
    write_recipe(path, found, plan, init='weights.pth')
    cfg = Config.fromfile(path)
    assert cfg.model.backbone.img_size == 64
    assert cfg.model.backbone.init_cfg.checkpoint == 'weights.pth'
    assert cfg.model.objectives.category.target.num_classes == 2
    one, two = cfg.train_dataloader.dataset.datasets
    kinds = [[step.type for step in part.pipeline] for part in (one, two)]
    # the classes of one source alone: those of the other are others
    assert 'm3i_mm.Labels' in kinds[0]
    assert 'm3i_mm.Labels' not in kinds[1]
    assert 'm3i_mm.Tokenize' in kinds[1]


def test_pretraining_ends_with_a_backbone(flat, tmp_path, capsys):
    write_list(flat)
    folder = tmp_path / 'run'
    command = ['pretrain', str(flat), '--work-dir', str(folder)]
    main([*command, '--epochs', '1', '--image-size', '32'])
    said = capsys.readouterr().out
    for words in ('6 pictures', 'captions', 'reads back', 'm3i embed'):
        assert words in said
    # the config that was written, not MMEngine's dump of all it inherits
    written = (folder / 'pretrain.py').read_text()
    assert "'m3i_mm::_base_" in written
    assert written.startswith(f'# Written by: m3i {" ".join(command)} --ep')
    (about,) = folder.glob('*/run.json')
    command_line = json.loads(about.read_text())['command']
    assert command_line.startswith(f'm3i {" ".join(command)} --epochs 1')
    (backbone,) = folder.glob('backbone-*.pth')
    assert torch.load(backbone)['state_dict']
    with pytest.raises(SystemExit, match='exists: choose another'):
        main(command)


def test_what_fails_does_not_bar_the_next_attempt(flat, tmp_path):
    run = tmp_path / 'run'
    words = ['pretrain', str(flat), '--work-dir', str(run), '--image-size']
    with pytest.raises(SystemExit, match='batch of 99') as stop:
        main([*words, '32', '--batch-size', '99', '--check-only'])
    assert stop.value.code == 2
    main([*words, '32', '--check-only'])
    assert (run / 'pretrain.py').is_file()


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--epochs', '0'], 'argument --epochs: 0 is no whole number'),
        (['--batch-size', '-1'], 'argument --batch-size: -1 is no'),
        (['--init', 'absent'], "--init: there is no file or folder 'absent'"),
    ],
)
def test_wrong_arguments(flat, tmp_path, words, said):
    work = ['--work-dir', str(tmp_path / 'run')]
    with pytest.raises(SystemExit, match=said) as stop:
        main(['pretrain', str(flat), *work, *words])
    assert stop.value.code == 2
    assert not (tmp_path / 'run').exists()


def test_odd_names_stay_comments_of_the_recipe(flat, tmp_path):
    found = survey(str(flat.rename(tmp_path / 'a\nb = (')))
    path = tmp_path / 'mine.py'
    plan = plan_pretraining([found])
    write_recipe(path, [found], plan, None, ['m3i', 'a\rb', 'c\nd = ('])
    assert Config.fromfile(path).train_cfg.max_epochs == plan.epochs


def test_a_run_begins_from_the_backbone_of_a_former_one(flat, tmp_path):
    words = ['pretrain', str(flat), '--image-size', '32']
    first, second = tmp_path / 'first', tmp_path / 'second'
    main([*words, '--work-dir', str(first), '--epochs', '1'])
    words += ['--work-dir', str(second), '--check-only']
    main([*words, '--init', str(first)])
    config = Config.fromfile(second / 'pretrain.py')
    (backbone,) = first.glob('backbone-*.pth')
    assert config.model.backbone.init_cfg.checkpoint == str(backbone)


def test_devices_share_the_pictures(flat):
    found = [survey(str(flat))]
    assert plan_pretraining(found, devices=2).batch_size == 3
    for batch in (None, 4):
        with pytest.raises(ConfigError, match='--devices 4: 6 pictures are'):
            plan_pretraining(found, batch_size=batch, devices=4)
