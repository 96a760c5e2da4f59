"""Prediction on image files: every task, and what can be wrong."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from pycocotools import mask as coco_mask
from toy import squares

from m3i_mm.apis import get_model
from m3i_mm.apis.batch import collect_images, predict_files
from m3i_mm.apis.prediction import (
    ImageError,
    Prediction,
    Predictor,
    read_image,
)
from m3i_mm.apis.predictors import build_predictor
from m3i_mm.apis.retrieval import ImageRetriever, TextRetriever
from m3i_mm.checkpoints.reading import CheckpointError

CONFIGS = Path(__file__).parents[2] / 'projects/emoji/configs'
MASK_RCNN = CONFIGS / 'mask-rcnn_resnet18_fpn_1xb4-4e_emoji-scenes.py'
UPERNET = CONFIGS / 'upernet_resnet18_1xb4-4e_emoji-scenes.py'

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
                dict(type='Resize', scale=(32, 32)),
                dict(type='CenterCrop', crop_size=32),
                dict(type='PackInputs'),
            ]
        )
    ),
)


@pytest.fixture
def folder(tmp_path):
    """Four images of one colour each; one of them in a sub-folder."""
    root = tmp_path / 'images'
    (root / 'more').mkdir(parents=True)
    for name, color in (
        ('red.png', (250, 0, 0)),
        ('green.jpg', (0, 250, 0)),
        ('pink.png', (250, 100, 100)),
        ('more/blue.png', (0, 0, 250)),
    ):
        Image.new('RGB', (60, 40), color).save(root / name)
    return root


def save_weights(config, path, classes, palette=None):
    """Write a checkpoint of a config with random weights."""
    from mmengine.registry import MODELS, DefaultScope, init_default_scope

    init_default_scope(config.default_scope)
    scope = config.default_scope
    if scope == 'mmdet':
        import mmdet.models  # noqa: F401
    elif scope == 'mmseg':
        import mmseg.models  # noqa: F401
    with DefaultScope.overwrite_default_scope(scope):
        torch.manual_seed(0)
        model = MODELS.build(config.model)
        model.init_weights()
    meta = dict(dataset_meta=dict(classes=classes, palette=palette))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return str(path)


@pytest.mark.openmmlab
def test_detector(folder, tmp_path):
    config = Config.fromfile(MASK_RCNN)
    meta = config.metainfo
    weights = save_weights(config, tmp_path / 'w.pth', **meta)
    detector = build_predictor(
        str(MASK_RCNN), weights, 'cpu', score_threshold=0.0
    )
    prediction = detector(folder / 'red.png')
    objects = prediction.result['objects']
    assert objects
    for found in objects:
        assert found['name'] == meta.classes[found['label']]
        left, top, right, bottom = found['bbox']
        assert 0 <= left <= right <= 60
        assert 0 <= top <= bottom <= 40
        assert coco_mask.decode(found['mask']).shape == (40, 60)
    json.dumps(prediction.result)
    assert prediction.picture.shape == (40, 60, 3)
    strict = build_predictor(str(MASK_RCNN), weights, 'cpu', 1.0)
    undrawn = strict(folder / 'red.png')
    assert undrawn.result == {'objects': []}
    # RGB: a red image stays red
    assert undrawn.picture[5, 5].tolist() == [250, 0, 0]


@pytest.mark.openmmlab
def test_segmentor(folder, tmp_path):
    config = Config.fromfile(UPERNET)
    weights = save_weights(config, tmp_path / 'w.pth', **config.metainfo)
    prediction = build_predictor(str(UPERNET), weights, 'cpu')(
        folder / 'green.jpg'
    )
    shares = prediction.result['classes']
    assert set(shares) <= set(config.metainfo.classes)
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    json.dumps(prediction.result)
    assert prediction.picture.shape == (40, 60, 3)


@pytest.mark.openmmlab
def test_classifier(folder, tmp_path):
    config = Config(CLASSIFIER)
    weights = save_weights(config, tmp_path / 'w.pth', ['cat', 'dog', 'cow'])
    prediction = build_predictor(config, weights, 'cpu')(folder / 'red.png')
    result = prediction.result
    assert result['name'] == ['cat', 'dog', 'cow'][result['label']]
    assert 1 / 3 <= result['score'] <= 1
    assert prediction.picture.shape[2] == 3


def test_weights_of_another_head_are_refused(tmp_path):
    config = Config(CLASSIFIER)
    weights = save_weights(config, tmp_path / 'w.pth', ['cat', 'dog', 'cow'])
    config.model.head.num_classes = 4
    with pytest.raises(CheckpointError, match=r"'head\.fc\.weight'"):
        build_predictor(config, weights, 'cpu')


def test_a_config_without_a_task_names_the_gallery():
    config = Config(dict(default_scope='mmpretrain', model=dict(type='M3I')))
    with pytest.raises(ValueError, match="type='M3I'.*gallery"):
        build_predictor(config, 'weights.pth')


def toy_model():
    preprocessor = {**squares.PREPROCESSOR, 'to_rgb': True}
    pipeline = [dict(type='m3i_mm.CenterView', size=8)]
    return get_model(
        Config(
            dict(
                model=dict(type='ToyM3I', data_preprocessor=preprocessor),
                test_dataloader=dict(dataset=dict(pipeline=pipeline)),
            )
        )
    )


def test_image_retriever_finds_the_most_similar_first(folder):
    retriever = ImageRetriever(toy_model(), folder, k=2)
    found = retriever(folder / 'pink.png').result['found']
    assert found == [str(folder / 'pink.png'), str(folder / 'red.png')]
    assert retriever(folder / 'more/blue.png').picture.shape[2] == 3


def test_text_retriever_ranks_texts(folder):
    retriever = TextRetriever(
        toy_model(),
        ['a blue', 'a red', 'a green'],
        tokenizer=dict(type='ToyTokenizer'),
        k=3,
    )
    assert retriever(folder / 'red.png').result['found'][0] == 'a red'
    assert retriever(folder / 'green.jpg').result['found'][0] == 'a green'


def test_empty_galleries_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no image in'):
        ImageRetriever(toy_model(), tmp_path)
    for texts in ([], ['a red', ' ']):
        with pytest.raises(ValueError, match='no text to find'):
            TextRetriever(toy_model(), texts)


class Inverter(Predictor):
    """A predictor that needs no model."""

    def __call__(self, path):
        image = read_image(path)
        return Prediction({'mean': float(image.mean())}, 255 - image)


def test_a_folder_is_predicted_and_a_broken_image_reported(folder, tmp_path):
    (folder / 'broken.png').write_bytes(b'no image')
    (folder / 'notes.txt').write_text('no image either')
    out = tmp_path / 'out'
    broken = predict_files(Inverter(), [folder], out)
    assert list(broken) == [str(folder / 'broken.png')]
    assert 'no readable image' in broken[str(folder / 'broken.png')]
    results = json.loads((out / 'predictions.json').read_text())
    assert len(results) == 4
    inverted = np.asarray(Image.open(out / 'more/blue.png'))
    assert inverted[0, 0].tolist() == [255, 255, 5]


def test_bad_paths_are_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match='does not exist'):
        collect_images([tmp_path / 'nowhere'], tmp_path)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='holds no image'):
        collect_images([tmp_path / 'empty'], tmp_path)
    with pytest.raises(ValueError, match='overwritten'):
        collect_images([folder], folder)
    with pytest.raises(ValueError, match='two images'):
        collect_images([folder, folder / 'red.png'], tmp_path)


def test_read_image_reports_what_is_no_image(tmp_path):
    empty = tmp_path / 'empty.png'
    empty.touch()
    with pytest.raises(ImageError, match=r'empty\.png'):
        read_image(empty)


def test_tool_predicts_and_says_what_it_left_out(folder, tmp_path, run_tool):
    config = Config.fromfile(UPERNET)
    weights = save_weights(config, tmp_path / 'w.pth', **config.metainfo)
    (folder / 'broken.png').write_bytes(b'no image')
    arguments = ['--config', UPERNET, '--checkpoint', weights, '--out']
    result = run_tool(
        'visualization/predict.py',
        folder,
        *arguments,
        tmp_path / 'out',
        '--device',
        'cpu',
        check=False,
    )
    assert result.returncode == 1
    assert 'left out' in result.stderr
    assert 'broken.png' in result.stderr
    assert (
        len(json.loads((tmp_path / 'out/predictions.json').read_text())) == 4
    )
    assert (tmp_path / 'out/red.png').is_file()


def test_tool_searches_no_texts_with_a_model_without_text(
    folder, tmp_path, run_tool
):
    config = Config(CLASSIFIER)
    config.dump(tmp_path / 'classifier.py')
    classes = ['cat', 'dog', 'cow']
    (tmp_path / 'texts.txt').write_text('a cat\na dog\n')
    result = run_tool(
        'visualization/predict.py',
        folder,
        *('--config', tmp_path / 'classifier.py'),
        *('--checkpoint', save_weights(config, tmp_path / 'w.pth', classes)),
        *('--out', tmp_path / 'out'),
        *('--texts', tmp_path / 'texts.txt'),
        check=False,
    )
    assert result.returncode == 2
    assert 'error: ImageClassifier has no text encoder' in result.stderr
    assert 'Traceback' not in result.stderr


def test_what_is_transparent_is_drawn_on_white(tmp_path):
    pixels = np.full((4, 6, 4), 90, np.uint8)
    pixels[..., 3] = 0
    pixels[0, 0] = (10, 200, 30, 255)
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    image = read_image(tmp_path / 'a.png')
    assert image[0, 0].tolist() == [10, 200, 30]
    assert (image[1:] == 255).all()


def test_a_label_is_drawn_large_enough_to_be_read(tmp_path):
    Image.new('RGB', (32, 20), (250, 0, 0)).save(tmp_path / 'a.png')
    config = Config(CLASSIFIER)
    classes = ['cat', 'dog', 'cow']
    weights = save_weights(config, tmp_path / 'w.pth', classes)
    drawn = build_predictor(config, weights, 'cpu')(tmp_path / 'a.png').picture
    assert drawn.shape == (240, 384, 3)
    # beside the text the colour stays
    assert (drawn[-1, -1] == (250, 0, 0)).all()
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 1


def test_a_folder_with_the_name_of_an_image_is_none(folder, tmp_path):
    (folder / 'album.jpg').mkdir()
    assert len(collect_images([folder], tmp_path / 'out')) == 4


def test_a_picture_that_cannot_be_resized_is_left_out(tmp_path):
    Image.new('RGB', (3000, 1)).save(tmp_path / 'line.png')
    config = Config.fromfile(UPERNET)
    weights = save_weights(config, tmp_path / 'w.pth', **config.metainfo)
    predictor = build_predictor(config, weights, 'cpu')
    with pytest.raises(ImageError, match=r'line\.png cannot be resized'):
        predictor(tmp_path / 'line.png')


def test_a_name_that_is_not_in_utf_8_is_written(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b'/\xe9.png'))
    Image.new('RGB', (4, 4)).save(path)

    class Nothing(Predictor):
        def __call__(self, path):
            return Prediction({}, np.zeros((4, 4, 3), np.uint8))

    assert predict_files(Nothing(), [path], tmp_path / 'out') == {}
    text = (tmp_path / 'out/predictions.json').read_text()
    assert json.loads(text) == {str(path): {}}
