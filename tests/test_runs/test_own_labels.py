"""The nearest neighbours among one's own labelled pictures."""

import shutil

import pytest
import torch
from mmengine.config import Config
from PIL import Image
from toy import squares

from m3i_mm.evaluation import evaluate
from m3i_mm.runs.cli import main_test
from m3i_mm.runs.config_check import ConfigError
from m3i_mm.runs.own_labels import is_downstream, use_labelled_pictures
from m3i_mm.runs.reading import read_config

pytestmark = pytest.mark.openmmlab
COLORS = dict(red=(250, 0, 0), green=(0, 250, 0), blue=(0, 0, 250))


@pytest.fixture
def folders(tmp_path):
    """Three pictures of each colour, in a folder for each."""
    for name, color in COLORS.items():
        folder = tmp_path / 'photos' / name
        folder.mkdir(parents=True)
        for number in range(3):
            shade = tuple(max(0, value - number) for value in color)
            picture = Image.new('RGB', (12, 10), shade)
            picture.save(folder / f'{number}.png')
    return tmp_path / 'photos'


@pytest.fixture
def cfg(tmp_path):
    cfg = Config(squares.toy_config(tmp_path / 'run'))
    view = dict(type='m3i_mm.CenterView', size=8)
    cfg.test_dataloader = dict(dataset=dict(pipeline=[view]))
    return cfg


def test_folders_of_classes_classify_one_another(folders, cfg):
    said = use_labelled_pictures(cfg, str(folders))
    assert 'each of 9 pictures' in said
    assert 'the others; 3 classes' in said
    # as many neighbours as there are
    assert cfg.test_evaluator.k == 8
    assert evaluate(cfg).metrics == {'knn/gt_label_top1': 100}


def test_halves_are_bank_and_query(folders, cfg):
    root = folders.parent / 'halves'
    shutil.copytree(folders, root / 'train')
    # the numbers of the classes are those of the training
    shutil.copytree(folders / 'red', root / 'val/red')
    shutil.copytree(folders / 'green', root / 'val/green')
    said = use_labelled_pictures(cfg, str(root))
    assert 'each of 6 pictures' in said
    assert 'among 9 of' in said
    result = evaluate(cfg)
    assert result.metrics == {'knn/gt_label_top1': 100}
    assert result.tables['query']['gt_label'].tolist() == [1] * 3 + [2] * 3


def test_a_list_with_names_of_classes(folders, cfg):
    rows = [f'{n}/{i}.png,{n}' for n in COLORS for i in range(3)]
    table = folders / 'list.csv'
    table.write_text('\n'.join(['file,class', *rows]))
    use_labelled_pictures(cfg, str(table))
    assert evaluate(cfg).metrics == {'knn/gt_label_top1': 100}


def test_pictures_without_labels_are_refused(folders, cfg):
    with pytest.raises(ConfigError, match='red: .*labels of two classes'):
        use_labelled_pictures(cfg, str(folders / 'red'))


def test_a_config_that_says_no_size_is_refused(folders, cfg):
    cfg.pop('test_dataloader')
    with pytest.raises(ConfigError, match='size of the images'):
        use_labelled_pictures(cfg, str(folders))


@pytest.mark.parametrize(
    ('start', 'expected'),
    [
        ('m3i_vit-base-p16_32xb128-amp-coslr-400e_in1k', False),
        ('vit-base-p16-m3i-pre_knn_in1k', False),
        ('resnet18_1xb32-coslr-20e_own-data', True),
        ('mask-rcnn_resnet18_fpn_1xb4-coslr-20e_own-data', True),
    ],
)
def test_downstream_configs_take_data_of_their_own_kind(start, expected):
    assert is_downstream(read_config(start)) is expected


def test_a_work_folder_stands_for_config_and_checkpoint(
    folders, cfg, tmp_path
):
    run = tmp_path / 'run'
    run.mkdir()
    cfg.dump(run / 'mine.py')
    weights = squares.ToyM3I().state_dict()
    torch.save(dict(state_dict=weights), run / 'epoch_1.pth')
    (run / 'last_checkpoint').write_text(str(run / 'epoch_1.pth'))
    out = tmp_path / 'metrics.json'
    main_test([str(run), '--data', str(folders), '--out', str(out)])
    assert out.read_text() == '{"knn/gt_label_top1": 100.0}'
    # beside the training, where the report looks
    (written,) = run.glob('*/*.json')
    assert '"knn/gt_label_top1": 100.0' in written.read_text()


def test_a_pre_training_says_how_to_give_data(cfg, tmp_path):
    for key in ('test_dataloader', 'test_cfg', 'test_evaluator'):
        cfg.pop(key)
    cfg.dump(tmp_path / 'mine.py')
    with pytest.raises(SystemExit, match='--data FOLDER'):
        main_test([str(tmp_path / 'mine.py'), 'epoch_1.pth'])
