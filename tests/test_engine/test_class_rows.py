"""One stage after another: rows of classes follow their names."""

import pytest
import torch
from mmdet.datasets import (
    CocoDataset,
    LVISV1Dataset,
    Objects365V2Dataset,
    VOCDataset,
)
from mmengine.runner import Runner
from mmseg.datasets import ADE20KDataset, COCOStuffDataset
from torch import nn
from toy import released as official
from toy.downstream import (
    read_config,
    shrink,
    use_data,
    write_detection_set,
    write_segmentation_set,
)

from m3i_mm.checkpoints.fitting import fit_weights
from m3i_mm.datasets.classes import find_same
from m3i_mm.engine.class_rows import classes_of, keep_class_rows
from m3i_mm.runs.building import build_model

pytestmark = pytest.mark.openmmlab

COCO = CocoDataset.METAINFO['classes']
LVIS = LVISV1Dataset.METAINFO['classes']
OBJECTS = Objects365V2Dataset.METAINFO['classes']


@pytest.mark.parametrize(
    ('old', 'new', 'count', 'pairs'),
    [
        (
            OBJECTS,
            COCO,
            75,
            {
                'person': 'Person',
                'tv': 'Moniter/TV',
                'handbag': 'Handbag/Satchel',
                'dining table': 'Dinning Table',
                'skis': None,
            },
        ),
        (
            COCO,
            LVIS,
            77,
            {
                'television_set': 'tv',
                'mouse_(computer_equipment)': 'mouse',
                'fireplug': 'fire hydrant',
                'aerosol_can': None,
            },
        ),
        (
            OBJECTS,
            VOCDataset.METAINFO['classes'],
            19,
            {'aeroplane': 'Airplane', 'tvmonitor': 'Moniter/TV'},
        ),
        (
            COCOStuffDataset.METAINFO['classes'],
            ADE20KDataset.METAINFO['classes'],
            62,
            {
                'wall': 'wall-other',
                'sofa': 'couch',
                'sky': 'sky-other',
                'desk': 'desk-stuff',
                'escalator': None,
            },
        ),
    ],
)
def test_the_same_classes_of_two_sets(old, new, count, pairs):
    same = find_same(old, new)
    assert len(same) == len(new)
    assert sum(number is not None for number in same) >= count
    for name, wanted in pairs.items():
        number = same[new.index(name)]
        assert (None if number is None else old[number]) == wanted


def test_the_whole_name_comes_first():
    assert find_same(['a/b', 'b'], ['b', 'a', 'c']) == [1, 0, None]
    assert find_same(['x_(y)', 'x'], ['x', 'x_(y)']) == [0, 0]
    assert find_same(['x_(y)', 'x'], ['x_(y)', 'x']) == [0, 1]


class Head(nn.Module):
    """Every kind of layer with rows of classes."""

    def __init__(self, count):
        super().__init__()
        self.fc_cls = nn.Linear(3, count + 1)  # and background
        self.fc_reg = nn.Linear(3, 4 * count)
        self.conv_logits = nn.Conv2d(3, count, 1)
        self.shared = nn.Linear(3, 6)
        for parameter in self.parameters():
            nn.init.normal_(parameter)


def transfer(old, new):
    torch.manual_seed(0)
    source, target = Head(len(old)), Head(len(new))
    fit = fit_weights(target, source.state_dict())
    rows, said = keep_class_rows(fit, iter([list(old)]), new)
    return source.state_dict(), target.state_dict(), rows, said


@pytest.mark.parametrize('new', [('bee', 'fly', 'ape'), ('bee', 'ape')])
def test_every_layer_value_by_value(new):
    old = ('ape', 'bee')
    given, own, rows, said = transfer(old, new)
    layers = ('fc_cls', 'fc_reg', 'conv_logits')
    assert set(rows) == {
        f'{layer}.{part}' for layer in layers for part in ('weight', 'bias')
    }
    for name, found in rows.items():
        each = 4 if 'fc_reg' in name else 1
        for number, label in enumerate(new):
            for box in range(each):
                row = found[number * each + box]
                if label in old:
                    wanted = given[name][old.index(label) * each + box]
                else:
                    wanted = own[name][number * each + box]
                assert torch.equal(row, wanted), (name, label)
    assert torch.equal(rows['fc_cls.weight'][-1], given['fc_cls.weight'][-1])
    if 'fly' in new:
        assert said == "2 of 3 classes keep their rows; anew: 'fly'"
    else:
        assert said == '2 of 2 classes keep their rows'


@pytest.mark.parametrize(
    'new', [('ape', 'bee'), ('n01', 'n02'), ('n01', 'n02', 'n03'), None]
)
def test_nothing_is_moved(new):
    """Equal classes, or of which nothing is known."""
    old = ('ape', 'bee')
    fit = fit_weights(Head(len(new or old)), Head(2).state_dict())
    assert keep_class_rows(fit, iter([list(old)]), new) == ({}, '')
    assert keep_class_rows(fit, iter([]), new) == ({}, '')


def test_what_a_file_says_of_its_classes():
    both = dict(dataset_meta=dict(classes=('ape',)), CLASSES=('bee', 'cat'))
    assert list(classes_of(dict(meta=both), 'x.pth')) == [
        ['ape'],
        ['bee', 'cat'],
    ]
    assert list(classes_of({}, 'x.pth')) == []
    name = 'dino_4scale_cbinternimage_h_objects365_80classes.pth'
    assert list(classes_of({}, name)) == [list(COCO)]


def loaded(name, root, file, classes):
    """The model of a shrunk config after it has read ``load_from``."""
    cfg = read_config(name)
    if cfg.default_scope == 'mmdet':
        write_detection_set(root, classes)
    else:
        write_segmentation_set(root)
    cfg = use_data(shrink(cfg), root)
    cfg.update(
        load_from=str(file), work_dir=str(root), experiment_name=root.name
    )
    runner = Runner.from_cfg(cfg)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.load_or_resume()
    return runner.model.state_dict()


def assert_rows(found, given, same, name, old_name=None):
    found, given = found[name], given[old_name or name]
    kept = [number for number, old in enumerate(same) if old is not None]
    assert len(kept) > 10
    for number in kept:
        assert torch.equal(found[number], given[same[number]])
    lost = set(range(len(same))) - set(kept)
    assert all(not torch.equal(found[i], given[0]) for i in lost)


def own_stage(name, classes, file):
    """A checkpoint of a training, as MMEngine writes it."""
    torch.manual_seed(0)
    state = build_model(shrink(read_config(name))).state_dict()
    state = {k: torch.randn_like(v.float()).to(v) for k, v in state.items()}
    meta = dict(dataset_meta=dict(classes=classes))
    torch.save(dict(state_dict=state, meta=meta), file)
    return state


@pytest.mark.parametrize(
    ('first', 'second', 'old', 'new'),
    [
        (
            'objects365/dino-4scale_internimage-h_256xb1-26e_objects365.py',
            'coco/dino-4scale_internimage-h_o365-pre_64xb1-20k_coco.py',
            OBJECTS,
            COCO,
        ),
        (
            'coco/dino-4scale_internimage-h_o365-pre_64xb1-20k_coco.py',
            'lvis/dino-4scale_internimage-h_o365-pre_64xb1-80k_lvis-v1.py',
            COCO,
            LVIS,
        ),
    ],
)
def test_a_detector_from_our_stage(first, second, old, new, tmp_path):
    given = own_stage(first, old, tmp_path / 'stage.pth')
    found = loaded(second, tmp_path, tmp_path / 'stage.pth', new)
    same = find_same(old, new)
    for name in (
        'bbox_head.cls_branches.0.weight',
        'bbox_head.cls_branches.2.bias',
        'dn_query_generator.label_embedding.weight',
    ):
        assert_rows(found, given, same, name)
    name = 'decoder.layers.0.norms.0.weight'
    assert torch.equal(found[name], given[name])


def test_a_segmentor_from_our_stage(tmp_path):
    old = COCOStuffDataset.METAINFO['classes']
    new = ADE20KDataset.METAINFO['classes']
    given = own_stage(
        'coco_stuff/mask2former_internimage-h_16xb1-80k_'
        'coco-stuff164k-896x896.py',
        old,
        tmp_path / 'stage.pth',
    )
    found = loaded(
        'ade20k/mask2former_internimage-h_coco-stuff-pre_16xb1-80k_'
        'ade20k-896x896.py',
        tmp_path,
        tmp_path / 'stage.pth',
        new,
    )
    same = find_same(old, new)
    for part in ('weight', 'bias'):
        name = f'decode_head.cls_embed.{part}'
        assert_rows(found, given, same, name)
        # "no object"
        assert torch.equal(found[name][-1], given[name][-1])


SMALL = official.Size(16, (1, 1, 1, 1), (1, 2, 4, 8), False, True, 5, 1, True)


def test_a_detector_from_the_released_file(tmp_path):
    """That of Objects365 says no classes; the table knows them."""
    given = official.composite_dino(SMALL, layers=2, hidden=32, queries=10)
    file = tmp_path / 'dino_4scale_cbinternimage_h_objects365_80classes.pth'
    torch.save(dict(state_dict=given), file)
    name = (
        'lvis/dino-4scale_composite-internimage-h_o365-pre_64xb1-80k_lvis-v1'
    )
    found = loaded(f'{name}.py', tmp_path, file, LVIS)
    same = find_same(COCO, LVIS)
    assert_rows(found, given, same, 'bbox_head.cls_branches.1.weight')
    assert_rows(
        found,
        given,
        same,
        'dn_query_generator.label_embedding.weight',
        'bbox_head.label_embedding.weight',
    )


def test_a_segmentor_from_the_released_file(tmp_path):
    """MMSegmentation 0 wrote the names of the classes into its files."""
    old = COCOStuffDataset.METAINFO['classes']
    given = official.mask2former(
        SMALL,
        classes=171,
        width=32,
        heads=2,
        hidden=(32, 32),
        queries=5,
        layers=(1, 1),
    )
    file = tmp_path / 'mask2former_internimage_h_896_80k_cocostuff164k.pth'
    torch.save(dict(state_dict=given, meta=dict(CLASSES=old)), file)
    name = (
        'ade20k/mask2former_internimage-h_coco-stuff-pre_16xb1-80k_'
        'ade20k-896x896.py'
    )
    new = ADE20KDataset.METAINFO['classes']
    found = loaded(name, tmp_path, file, new)
    same = find_same(old, new)
    assert_rows(found, given, same, 'decode_head.cls_embed.weight')
