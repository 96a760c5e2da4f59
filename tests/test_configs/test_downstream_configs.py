"""Every detection and segmentation config is built and trains one step."""

import math
import re
from pathlib import Path

import pytest
import torch
import yaml
from mmdet.models import DetDataPreprocessor
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from toy.downstream import (
    ROOT,
    read_config,
    shrink,
    use_data,
    write_crowd_set,
    write_detection_set,
    write_open_images_set,
    write_segmentation_set,
    write_voc_set,
)

FOLDERS = (
    'ade20k',
    'cityscapes',
    'coco',
    'coco_stuff',
    'crowdhuman',
    'lvis',
    'mapillary',
    'nyu',
    'objects365',
    'openimages',
    'pascal_context',
    'voc',
)
CONFIGS = sorted(
    f'{folder}/{path.name}'
    for folder in FOLDERS
    for path in (ROOT / 'configs' / folder).glob('*.py')
    # old names of configs
    if '_deprecation_' not in path.read_text()
)
# those that differ from a smaller sibling in sizes only, which are shrunk
SIBLINGS = re.compile(
    r'internimage-(b|xl)_|composite-internimage-g_|'
    r'(coco|objects365)/.*_internimage-g_|-1x_|test2012|mapillary-pre'
)
TRAINED = [name for name in CONFIGS if not SIBLINGS.search(name)]
# millions of parameters published by the authors
PARAMETERS = {
    'coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py': 49,
    'coco/mask-rcnn_internimage-s_fpn_8xb2-3x_coco.py': 69,
    'coco/mask-rcnn_internimage-b_fpn_8xb2-1x_coco.py': 115,
    'coco/cascade-mask-rcnn_internimage-l_fpn_8xb2-1x_coco.py': 277,
    'coco/cascade-mask-rcnn_internimage-xl_fpn_32xb2-3x_coco.py': 387,
    'coco/dino-4scale_internimage-t_8xb2-12e_coco.py': 49,
    'coco/dino-4scale_internimage-l_8xb2-12e_coco.py': 241,
    'coco/dino-4scale_internimage-h_o365-pre_64xb1-20k_coco.py': 1100,
    'coco/dino-4scale_composite-internimage-h_o365-pre_64xb1-20k_coco.py': (
        2180
    ),
    'coco/dino-4scale_internimage-g_o365-pre_64xb1-20k_coco.py': 3100,
    'coco/dino-4scale_composite-internimage-g_o365-pre_64xb1-20k_coco.py': (
        6150
    ),
    'cityscapes/upernet_internimage-s_8xb2-160k_cityscapes-512x1024.py': 80,
    'cityscapes/segformer_internimage-l_mapillary-pre_8xb2-160k_'
    'cityscapes-512x1024.py': 220,
    'cityscapes/segformer_internimage-xl_mapillary-pre_8xb2-160k_'
    'cityscapes-512x1024.py': 330,
    'mapillary/mask2former_internimage-h_16xb2-80k_mapillary-896x896.py': 1094,
    'ade20k/upernet_internimage-t_8xb2-160k_ade20k-512x512.py': 59,
    'ade20k/upernet_internimage-s_8xb2-160k_ade20k-512x512.py': 80,
    'ade20k/upernet_internimage-b_8xb2-160k_ade20k-512x512.py': 128,
    'ade20k/upernet_internimage-l_8xb2-160k_ade20k-640x640.py': 256,
    'ade20k/upernet_internimage-xl_8xb2-160k_ade20k-640x640.py': 368,
    'ade20k/upernet_internimage-h_16xb1-160k_ade20k-896x896.py': 1120,
    'ade20k/mask2former_internimage-h_coco-stuff-pre_16xb1-80k_'
    'ade20k-896x896.py': 1310,
}


# one of each family also trains with the original releases of OpenMMLab
ALSO_OPENMMLAB = {
    'coco/mask-rcnn_internimage-t_fpn_8xb2-3x_coco.py',
    'lvis/dino-4scale_composite-internimage-h_o365-pre_64xb1-80k_lvis-v1.py',
    'ade20k/upernet_vit-base-p16-m3i-pre_8xb2-160k_ade20k-512x512.py',
    'ade20k/mask2former_internimage-h_coco-stuff-pre_16xb1-80k_'
    'ade20k-896x896.py',
}
MARKED = [
    pytest.param(
        name, marks=[pytest.mark.openmmlab] * (name in ALSO_OPENMMLAB)
    )
    for name in TRAINED
]


@pytest.fixture(scope='module')
def data_roots(tmp_path_factory):
    """Tiny sets with the class lists of the public ones."""
    from mmdet.datasets import (
        CocoDataset,
        LVISV1Dataset,
        Objects365V2Dataset,
        VOCDataset,
    )

    root = tmp_path_factory.mktemp('data')
    roots = {}
    for dataset in (CocoDataset, LVISV1Dataset, Objects365V2Dataset):
        roots[dataset.__name__] = root / dataset.__name__
        write_detection_set(
            roots[dataset.__name__], dataset.METAINFO['classes']
        )
    roots['CrowdHumanDataset'] = root / 'crowd'
    write_crowd_set(root / 'crowd')
    roots['VOCDataset'] = root / 'voc'
    write_voc_set(root / 'voc', VOCDataset.METAINFO['classes'])
    roots['OpenImagesDataset'] = root / 'open_images'
    write_open_images_set(root / 'open_images')
    roots['mmseg'] = root / 'segmentation'
    write_segmentation_set(root / 'segmentation')
    return roots


def kind(cfg):
    """The key of ``data_roots``."""
    if cfg.default_scope == 'mmseg':
        return 'mmseg'
    return cfg.val_dataloader.dataset.type


def test_all_folders_have_configs():
    assert {name.split('/')[0] for name in CONFIGS} == set(FOLDERS)
    assert set(PARAMETERS) | ALSO_OPENMMLAB <= set(CONFIGS)


@pytest.mark.openmmlab
@pytest.mark.parametrize('name', CONFIGS)
def test_full_size_builds_without_memory(name):
    """On the meta device; the size is the published one."""
    cfg = read_config(name)
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.init_cfg = None
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    parameters = sum(p.numel() for p in model.parameters())
    assert all(p.device.type == 'meta' for p in model.backbone.parameters())
    if name in PARAMETERS:
        assert parameters / 1e6 == pytest.approx(PARAMETERS[name], rel=0.02)


@pytest.mark.parametrize('name', MARKED)
def test_one_step_and_one_prediction(name, data_roots):
    cfg = read_config(name)
    cfg = use_data(shrink(cfg), data_roots[kind(cfg)])
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    optim_wrapper = Runner.build_optim_wrapper(
        _Holder(model), cfg.optim_wrapper
    )
    batch = next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))
    model.train()
    log = model.train_step(batch, optim_wrapper)
    assert all(math.isfinite(float(value)) for value in log.values()), log
    assert all(torch.isfinite(p).all() for p in model.parameters())
    model.eval()
    batch = next(iter(Runner.build_dataloader(cfg.val_dataloader)))
    with torch.no_grad():
        (sample,) = model.val_step(batch)
    if cfg.default_scope == 'mmdet':
        assert set(sample.pred_instances.keys()) >= {'bboxes', 'scores'}
    else:
        shape = sample.pred_sem_seg.data.shape[-2:]
        assert shape == sample.ori_shape


@pytest.mark.parametrize(
    ('name', 'shortest'),
    [
        (
            'ade20k/upernet_internimage-l_8xb2-160k_ade20k-640x640.py',
            [480, 640, 800],
        ),
        (
            'ade20k/mask2former_internimage-h_coco-stuff-pre_16xb1-80k_'
            'ade20k-896x896.py',
            [768, 832, 896, 960, 1024],
        ),
        (
            'coco_stuff/mask2former_internimage-h_16xb1-80k_'
            'coco-stuff164k-896x896.py',
            [448, 672, 896, 1120, 1344, 1568],
        ),
    ],
)
def test_multi_scale_inputs(name, shortest, tmp_path):
    """Every size once as it is and once mirrored, sides multiples of 32."""
    write_segmentation_set(tmp_path)
    cfg = use_data(read_config(name), tmp_path)
    init_default_scope(cfg.default_scope)
    dataset = cfg.test_dataloader.dataset
    dataset.pipeline = cfg.tta_pipeline
    inputs = DATASETS.build(dataset)[0]['inputs']
    assert len(inputs) == 2 * len(shortest)
    plain, mirrored = inputs[::2], inputs[1::2]
    for image, mirror, side in zip(plain, mirrored, shortest, strict=True):
        assert all(length % 32 == 0 for length in image.shape[1:])
        assert min(image.shape[1:]) == -(-side // 32) * 32
        assert torch.equal(image.flip(2), mirror)


class MirroredTruth(BaseModel):
    """Finds the annotated boxes in every view, mirrored where it is."""

    def __init__(self):
        super().__init__(DetDataPreprocessor())

    def forward(self, inputs, data_samples, mode):
        for sample in data_samples:
            boxes = sample.gt_instances.bboxes.clone()
            if sample.flip:
                width = sample.ori_shape[1]
                boxes[:, 0::2] = width - boxes[:, [2, 0]]
            sample.pred_instances = InstanceData(
                bboxes=boxes,
                scores=torch.ones(len(boxes)),
                labels=sample.gt_instances.labels,
            )
        return data_samples


def test_views_of_a_detection_are_merged(data_roots):
    """Six views find the same two boxes, which remain two."""
    name = 'coco/dino-4scale_internimage-h_o365-pre_64xb1-20k_coco.py'
    cfg = use_data(read_config(name), data_roots['CocoDataset'])
    init_default_scope('mmdet')
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    batch = next(iter(Runner.build_dataloader(cfg.test_dataloader)))
    assert len(batch['inputs']) == 6
    model = MODELS.build(dict(**cfg.tta_model, module=MirroredTruth()))
    (sample,) = model.test_step(batch)
    found = sample.pred_instances
    kept = found.bboxes[found.scores > 0.5].round().tolist()
    assert sorted(kept) == [[3, 5, 33, 30], [20, 22, 44, 58]]


class _Holder:
    """What ``Runner.build_optim_wrapper`` needs of a runner."""

    def __init__(self, model):
        self.model = model
        self.device = 'cpu'


@pytest.mark.parametrize('folder', FOLDERS)
def test_metafile_and_readme_list_every_config(folder):
    metafile = ROOT / 'configs' / folder / 'metafile.yml'
    # as text: 83.40 is not 83.4
    content = yaml.load(metafile.read_text(), yaml.BaseLoader)
    readme = metafile.with_name('README.md').read_text()
    wanted = {Path(n).stem for n in CONFIGS if n.startswith(f'{folder}/')}
    for entry in content['Models']:
        assert (ROOT / entry['Config']).is_file()
        # else a released file without results, for a config of another set
        if entry['Name'] in wanted:
            wanted.remove(entry['Name'])
            assert f'({entry["Name"]}.py)' in readme
        else:
            assert entry['Weights'] in readme
        for result in entry.get('Results', []):
            for value in result['Metrics'].values():
                assert f' {value} ' in readme
    assert not wanted
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert f'configs/{folder}/metafile.yml' in index['Import']


def test_configs_name_their_files_after_the_batch_size():
    """``8xb2`` is 8 devices of 2 images, the base of automatic scaling."""
    for name in CONFIGS:
        gpus, batch = (
            Path(name).stem.split('xb')[0].rsplit('_', 1)[-1],
            Path(name).stem.split('xb')[1].split('-')[0],
        )
        cfg = read_config(name)
        assert cfg.train_dataloader.batch_size == int(batch), name
        total = int(gpus) * int(batch)
        assert cfg.auto_scale_lr.base_batch_size == total, name
