"""Models by name, and features and classes of image files."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from toy import squares

from m3i_mm.apis import (
    FeatureExtractor,
    ZeroShotClassifier,
    get_model,
    list_models,
)
from m3i_mm.apis.images import list_images
from m3i_mm.checkpoints.reading import CheckpointError
from m3i_mm.datasets.faults import SampleError
from m3i_mm.runs.views import evaluation_view

TINY = dict(backbone=dict(arch='deit-tiny', img_size=32))
KNN = 'vit-base-p16-m3i-pre_knn_in1k'


@pytest.fixture
def folder(tmp_path):
    """Three images: red, green, and blue with a transparent half."""
    for name, color in zip('abc', np.eye(3) * 255, strict=True):
        pixels = np.zeros((20, 30, 4), np.uint8)
        pixels[..., :3] = color
        pixels[..., 3] = 255
        if name == 'c':
            pixels[:, 15:, 3] = 0
        Image.fromarray(pixels).save(tmp_path / f'{name}.png')
    (tmp_path / 'notes.txt').write_text('no image')
    return tmp_path


def toy_model():
    return get_model(
        Config(
            dict(
                model=dict(
                    type='ToyM3I',
                    data_preprocessor={**squares.PREPROCESSOR, 'to_rgb': True},
                )
            )
        )
    )


def test_names_of_the_metafiles():
    names = list_models()
    assert KNN in names
    assert names == sorted(names)
    assert all(name.startswith('internimage') for name in list_models('int*'))
    assert list_models('nothing*') == []


def test_mmpretrain_knows_them_too():
    import mmpretrain

    list_models()
    assert KNN in mmpretrain.list_models('vit-base-p16-m3i-pre')


def test_a_model_by_name():
    model = get_model(KNN, **TINY)
    assert type(model).__name__ == 'ImageClassifier'
    assert not model.training
    assert model.backbone.embed_dims == 192
    assert model._metainfo.name == KNN


def test_an_unknown_name_suggests_others():
    with pytest.raises(ValueError, match=rf'Did you mean .*{KNN}'):
        get_model('vit-base-p16-m3i_knn_in1k')


def test_an_old_name_leads_to_the_new_one():
    with pytest.warns(FutureWarning, match=f'is called {KNN} now'):
        model = get_model('vit-b16-m3i-pre_knn_in1k', **TINY)
    assert model._metainfo.name == KNN


def test_weights_that_are_not_published():
    with pytest.raises(ValueError, match=f'no published weights for {KNN}'):
        get_model(KNN, pretrained=True, **TINY)


def test_weights_of_a_file(tmp_path):
    model = get_model(KNN, **TINY)
    weights = {
        key: torch.full_like(value, 0.5)
        for key, value in model.state_dict().items()
    }
    path = str(tmp_path / 'weights.pth')
    torch.save(dict(state_dict={**weights, 'neck.x': torch.ones(1)}), path)
    loaded = get_model(KNN, pretrained=path, **TINY)
    assert (loaded.backbone.cls_token == 0.5).all()
    del weights['backbone.cls_token']
    torch.save(weights, path)
    with pytest.raises(CheckpointError, match=r"lacks 1: .*cls_token'"):
        get_model(KNN, pretrained=path, **TINY)
    with pytest.raises(CheckpointError, match='149 differ in shape'):
        get_model(KNN, pretrained=path, backbone=dict(arch='deit-small'))
    with pytest.raises(FileNotFoundError, match=r'no checkpoint .*\.none'):
        get_model(KNN, pretrained=path + '.none', **TINY)
    model = get_model(KNN, path, new_weights=['backbone.cls_token'], **TINY)
    assert not (model.backbone.cls_token == 0.5).all()
    assert (model.backbone.pos_embed == 0.5).all()


def test_features_of_a_folder_a_file_and_pixels(folder):
    extract = FeatureExtractor(toy_model(), image_size=8)
    features = extract(folder, batch_size=2)
    assert features.shape == (3, 3)
    # RGB order, normalised to -1 .. 1; the transparent half is white
    torch.testing.assert_close(features[0], torch.tensor([1.0, -1, -1]))
    torch.testing.assert_close(features[2, 2], torch.tensor(1.0))
    assert features[2, 0] > -0.5
    one = extract(str(folder / 'a.png'))
    torch.testing.assert_close(one, features[:1])
    bgr = np.zeros((20, 30, 3), np.uint8)
    bgr[..., 2] = 255
    both = extract([bgr, folder / 'b.png'])
    torch.testing.assert_close(both, features[:2])
    keys = extract.table(folder)['sample_key']
    assert keys[1] == str(folder / 'b.png')


def test_missing_and_broken_images(folder):
    extract = FeatureExtractor(toy_model(), image_size=8)
    with pytest.raises(FileNotFoundError, match=r'no image .*x\.png'):
        extract([folder / 'x.png'])
    (folder / 'broken.png').write_bytes(b'not an image')
    with pytest.raises(SampleError, match=r'broken\.png'):
        extract(folder)
    (folder / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='no image in'):
        list_images(folder / 'empty')


def test_the_view_is_that_of_the_test_pipeline():
    config = get_model(KNN, **TINY)._config
    view = evaluation_view(config)
    assert view == dict(
        type='m3i_mm.CenterView', size=224, crop_ratio=224 / 256
    )
    emoji = Config.fromfile('configs/_base_/evaluation/emoji.py')
    assert evaluation_view(emoji)['size'] == 64
    with pytest.raises(ValueError, match='give image_size'):
        FeatureExtractor(toy_model())


def test_zero_shot_by_class_names(folder):
    classify = ZeroShotClassifier(
        toy_model(),
        ['green', 'red', 'blue'],
        templates=['a {}', 'so {}'],
        tokenizer=dict(type='ToyTokenizer'),
        image_size=8,
    )
    results = classify(folder)
    assert [r['pred_class'] for r in results] == ['red', 'green', 'blue']
    assert results[0]['pred_label'] == 1
    np.testing.assert_allclose(results[0]['pred_scores'].sum(), 1, rtol=1e-5)
    assert results[0]['pred_score'] == results[0]['pred_scores'].max()


def test_zero_shot_needs_a_text_encoder():
    with pytest.raises(ValueError, match='Classifier has no text encoder'):
        ZeroShotClassifier(get_model(KNN, **TINY), ['cat', 'dog'])


def test_importing_the_apis_does_not_import_mmpretrain():
    code = (
        "import sys, m3i_mm.apis; sys.exit('mmpretrain.models' in sys.modules)"
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0
