"""Every way by which a file enters: the right one in, the wrong ones named.

An entry takes the path of a file. Each is given a file that it accepts, which
proves the entry, and that file made foreign, of other shapes, no checkpoint,
cut, or missing: one line that names it, whatever the entry.
"""

import runpy
import uuid

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from toy import internimage as official
from toy import squares
from toy.downstream import ROOT

from m3i_mm.apis import FeatureExtractor, build_predictor, get_model
from m3i_mm.apis.export import build_part
from m3i_mm.checkpoints import (
    CheckpointError,
    average_checkpoints,
    load_weights,
    publish,
)
from m3i_mm.evaluation import evaluate
from m3i_mm.models.internimage.conversion import convert_internimage
from m3i_mm.runs import building, cli

pytestmark = pytest.mark.openmmlab

M3I = ROOT / 'tests/toy/m3i.py'
TRAINING = str(ROOT / 'tests/toy/config.py')
MASK_RCNN = ROOT / (
    'projects/emoji/configs/mask-rcnn_resnet18_fpn_1xb4-4e_emoji-scenes.py'
)
UPERNET = MASK_RCNN.with_name('upernet_resnet18_1xb4-4e_emoji-scenes.py')
CLASSIFIER = dict(
    default_scope='mmpretrain',
    model=dict(
        type='ImageClassifier',
        backbone=dict(type='mmpretrain.ResNet', depth=18, base_channels=4),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=3, in_channels=32),
        data_preprocessor=dict(mean=[0] * 3, std=[255] * 3, to_rgb=True),
    ),
    test_dataloader=dict(
        dataset=dict(
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='CenterCrop', crop_size=32),
                dict(type='PackInputs'),
            ]
        )
    ),
)
TOKENIZER = dict(
    type='mmpretrain.DALL-E', n_blk_per_group=1, n_hid=8, vocab_size=16
)
META = dict(
    dataset_meta=dict(
        classes=['ball', 'cube', 'cone'], palette=[(0, 0, 0)] * 3
    )
)


def build(settings):
    """Build a model that an ``init_cfg`` in it may fill."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(Config(dict(model=settings)).model)
    model.init_weights()
    return model


def whole(config):
    cfg = config if isinstance(config, Config) else Config.fromfile(config)
    torch.manual_seed(0)
    model = building.build_model(cfg)
    building.initialize(model)
    return dict(state_dict=model.state_dict(), meta=META)


def initialized(settings):
    return lambda path: build(
        dict(settings, init_cfg=dict(type='Pretrained', checkpoint=path))
    )


def teacher(path):
    init_cfg = dict(type='Pretrained', checkpoint=path)
    backbone = dict(CLASSIFIER['model']['backbone'], init_cfg=init_cfg)
    build(dict(type='m3i_mm.FrozenEncoder', backbone=backbone))


def backbone_of(settings):
    return dict(state_dict=build(settings).state_dict())


def train(*arguments):
    def run(path):
        words = [word.replace('FILE', path) for word in arguments]
        # MMEngine keeps loggers by experiment name, which has seconds only
        cli.main_train([*command(path), *words])

    return run


def command(path):
    folder = f'{path}-runs'
    name = f'experiment_name={uuid.uuid4().hex}'
    return [TRAINING, '--work-dir', folder, '--cfg-options', name]


def run_test(path):
    config, *rest = command(path)
    cli.main_test([config, path, *rest])


def trained(folder):
    """Return what a training of the toy saves after an epoch."""
    cli.main_train([*command(str(folder / 'x')), 'train_cfg.max_epochs=1'])
    return torch.load(folder / 'x-runs/epoch_1.pth', weights_only=False)


def average(path):
    """Average a file with one of which nothing is wrong."""
    good = f'{path}-good.pth'
    torch.save(whole(Config(CLASSIFIER)), good)
    average_checkpoints([good, path], f'{path}-out.pth')


def convert(path):
    convert_internimage(path, f'{path}-out.pth', 'mmpretrain')


def convert_detector(path):
    convert = runpy.run_path(
        str(ROOT / 'tools/model_converters/internimage_downstream.py')
    )['convert']
    target = dict(target=f'{path}-out.pth', trust=False)
    convert(type('Args', (), dict(target, source=path, config=MASK_RCNN)))


# entry -> the content of a file that it takes, and what it does with the path
ENTRIES = {
    'init_cfg': (
        lambda _: backbone_of(CLASSIFIER['model']['backbone']),
        initialized(CLASSIFIER['model']['backbone']),
    ),
    'teacher': (
        lambda _: backbone_of(CLASSIFIER['model']['backbone']),
        teacher,
    ),
    'tokenizer': (lambda _: backbone_of(TOKENIZER), initialized(TOKENIZER)),
    'load_weights': (
        lambda _: whole(Config(CLASSIFIER)),
        lambda path: load_weights(
            building.build_model(Config(CLASSIFIER)), path
        ),
    ),
    'load_from': (trained, train('load_from=FILE')),
    'resume': (trained, train('train_cfg.max_epochs=1', '--resume', 'FILE')),
    'test.py': (trained, run_test),
    'evaluate': (
        lambda folder: whole(Config(squares.toy_config(folder))),
        lambda path: evaluate(Config(squares.toy_config('.')), path),
    ),
    'get_model': (
        lambda _: whole(Config(CLASSIFIER)),
        lambda path: get_model(Config(CLASSIFIER), path),
    ),
    'features': (
        lambda _: whole(Config(CLASSIFIER)),
        lambda path: FeatureExtractor(Config(CLASSIFIER), path),
    ),
    'classifier': (
        lambda _: whole(Config(CLASSIFIER)),
        lambda path: build_predictor(Config(CLASSIFIER), path, 'cpu'),
    ),
    'detector': (
        lambda _: whole(MASK_RCNN),
        lambda path: build_predictor(str(MASK_RCNN), path, 'cpu'),
    ),
    'segmentor': (
        lambda _: whole(UPERNET),
        lambda path: build_predictor(str(UPERNET), path, 'cpu'),
    ),
    'export': (
        lambda _: whole(Config(CLASSIFIER)),
        lambda path: build_part(Config(CLASSIFIER), 'model', path),
    ),
    'export of the backbone': (
        lambda _: whole(Config(CLASSIFIER)),
        lambda path: build_part(Config(CLASSIFIER), 'backbone', path),
    ),
    'publish': (
        lambda _: whole(M3I),
        lambda path: publish(path, f'{path}-out'),
    ),
    'average': (lambda _: whole(Config(CLASSIFIER)), average),
    'convert': (
        lambda _: dict(
            model=official.read(official.DATA / 'small_like.npz')[1]
        ),
        convert,
    ),
    'convert a detector': (lambda _: whole(MASK_RCNN), convert_detector),
}


def weights(content):
    return content['model' if 'model' in content else 'state_dict']


def other_names(content):
    state = weights(content)
    renamed = {f'conv.{n}': value for n, value in enumerate(state.values())}
    state.clear()
    state.update(renamed)


def other_shapes(content):
    state = weights(content)
    for name, value in state.items():
        shape = [size + 1 for size in value.shape] or [2]
        state[name] = value.new_zeros(shape)


def one_lacks(content):
    state = weights(content)
    del state[next(n for n, v in state.items() if v.is_floating_point())]


CONTENTS = dict(
    other_names=other_names, other_shapes=other_shapes, one_lacks=one_lacks
)
BYTES = dict(
    no_checkpoint=lambda whole: b'a picture, perhaps',
    cut=lambda whole: whole[: len(whole) // 2],
    empty=lambda whole: b'',
)
# what takes any weights of its names, whatever their shapes or number
NAMES_ALONE = {'publish', 'convert'}


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    """The files that the entries take, each made once."""
    made = {}

    def make(entry):
        if entry not in made:
            folder = tmp_path_factory.mktemp('good')
            path = folder / 'file.pth'
            torch.save(ENTRIES[entry][0](folder), path)
            made[entry] = path
        return made[entry]

    return make


@pytest.mark.parametrize('entry', ENTRIES)
def test_the_right_file_enters(entry, good):
    ENTRIES[entry][1](str(good(entry)))


@pytest.mark.parametrize('entry', ENTRIES)
@pytest.mark.parametrize('fault', [*CONTENTS, *BYTES, 'missing'])
def test_a_wrong_file_is_one_line_that_names_it(entry, fault, good, tmp_path):
    if entry in NAMES_ALONE and fault in ('other_shapes', 'one_lacks'):
        pytest.skip('it does not know the model')
    path = tmp_path / 'wrong.pth'
    if fault in CONTENTS:
        content = torch.load(good(entry), weights_only=False)
        CONTENTS[fault](content)
        torch.save(content, path)
    elif fault in BYTES:
        path.write_bytes(BYTES[fault](good(entry).read_bytes()))
    with pytest.raises((CheckpointError, SystemExit)) as error:
        ENTRIES[entry][1](str(path))
    message = str(error.value)
    if error.type is SystemExit:
        assert message.startswith('error: ')
    assert '\n' not in message
    assert 'wrong.pth' in message
