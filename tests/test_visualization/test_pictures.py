"""Pictures: their content is read back where it can be."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

from m3i_mm.evaluation import EvaluationResult, FeatureTable
from m3i_mm.visualization import (
    Panel,
    bgr_to_picture,
    draw_caption_retrieval,
    draw_curves,
    draw_grid,
    draw_image_retrieval,
    draw_mixed_inputs,
    normalized_to_pictures,
    read_scalars,
)
from m3i_mm.visualization.grid import RIGHT, WRONG
from m3i_mm.visualization.mixing import HUES, tint_owners
from m3i_mm.visualization.retrieval import spread_rows


def has_color(path, color):
    """Whether a PNG has pixels of a colour like '#1b7f5c'."""
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    pixels = np.asarray(Image.open(path).convert('RGB'))
    return bool((pixels == wanted).all(-1).any())


def test_pictures_from_tensors():
    bgr = torch.tensor([1, 2, 3])[:, None, None].expand(3, 2, 2)
    assert bgr_to_picture(bgr)[0, 0].tolist() == [3, 2, 1]
    preprocessor = torch.nn.Module()
    preprocessor.register_buffer('mean', torch.tensor([10.0, 20, 30]))
    preprocessor.register_buffer('std', torch.tensor([2.0, 4, 400]))
    images = torch.ones(5, 2, 3, 4, 6)
    pictures = normalized_to_pictures(images, preprocessor)
    assert pictures.shape == (5, 2, 4, 6, 3)
    assert pictures[0, 0, 0, 0].tolist() == [12, 24, 255]


def test_frames_and_captions_carry_the_colors(tmp_path):
    picture = np.full((8, 8, 3), 128, np.uint8)
    path = tmp_path / 'grid.png'
    draw_grid([[Panel(picture, 'cat', RIGHT)], [Panel(picture)]], path, ['a'])
    assert has_color(path, RIGHT)
    assert not has_color(path, WRONG)
    with pytest.raises(ValueError, match='no row to draw'):
        draw_grid([], path)


def test_patches_are_tinted_by_their_image():
    owned = torch.tensor([[[True, False]], [[False, True]]])  # (2, 1, 2)
    tinted = tint_owners(np.zeros((4, 8, 3), np.uint8), owned)
    np.testing.assert_array_equal(tinted[0, 0], (0.6 * HUES[0]).astype(int))
    np.testing.assert_array_equal(tinted[3, 7], (0.6 * HUES[1]).astype(int))


@pytest.mark.parametrize('mixes', [True, False])
def test_mixed_inputs_of_a_model(tmp_path, mixes):
    from mmpretrain.models import SelfSupDataPreprocessor

    from m3i_mm.models.pretrainers.inputs import PatchMix, SingleView

    class Model:
        data_preprocessor = SelfSupDataPreprocessor(
            mean=[0.0] * 3, std=[1.0] * 3, to_rgb=True
        )
        input = PatchMix(patch_size=4) if mixes else SingleView()

    batch = dict(
        inputs=[torch.randint(0, 255, (4, 3, 8, 8)) for _ in range(2)],
        data_samples=[None] * 4,
    )
    path = tmp_path / 'mix.png'
    if mixes:
        draw_mixed_inputs(Model, batch, path)
        assert Image.open(path).size[0] > 300
    else:
        with pytest.raises(ValueError, match='SingleView does not mix'):
            draw_mixed_inputs(Model, batch, path)


class Colors(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return dict(inputs=torch.full((3, 8, 8), 60 * index))


@pytest.fixture
def result():
    def table(rows):
        return FeatureTable(
            dict(
                feature=torch.eye(4)[rows],
                image_embedding=torch.eye(4)[rows],
                text_embedding=torch.eye(4)[rows],
                concept=torch.arange(4),
                text=[f'number {i}' for i in range(4)],
            )
        )

    return EvaluationResult(
        metrics={},
        chance={},
        tables=dict(query=table([0, 1, 2, 3]), gallery=table([0, 1, 2, 3])),
        datasets=dict(query=Colors(), gallery=Colors()),
        model=None,
    )


def test_retrieval_frames_say_right_or_wrong(result, tmp_path):
    path = tmp_path / 'retrieval.png'
    draw_image_retrieval(
        result, path, 'concept', 'query', ['gallery'], 'text', 2, k=1
    )
    assert has_color(path, RIGHT)
    assert not has_color(path, WRONG)
    result.tables['gallery'].columns['concept'] += 4
    draw_image_retrieval(result, path, 'concept', 'query', ['gallery'], k=1)
    assert has_color(path, WRONG)
    assert not has_color(path, RIGHT)


def test_caption_retrieval(result, tmp_path):
    path = tmp_path / 'captions.png'
    draw_caption_retrieval(result, path, 'query', k=2)
    assert has_color(path, RIGHT)
    assert has_color(path, WRONG)


def test_rows_are_spread():
    assert spread_rows(10, 4).tolist() == [0, 2, 5, 7]
    assert spread_rows(2, 4).tolist() == [0, 1]


def write_log(folder, records):
    folder.mkdir(parents=True)
    lines = '\n'.join(map(json.dumps, records))
    (folder / 'scalars.json').write_text(lines)


def test_curves_of_a_resumed_run(tmp_path):
    write_log(
        tmp_path / '20260101_000000' / 'vis_data',
        [
            {'loss': 3.0, 'loss_text': 1.0, 'step': 10, 'lr': 0.1},
            {'loss': 2.0, 'loss_text': 0.5, 'step': 20},
        ],
    )
    write_log(
        tmp_path / '20260101_010000' / 'vis_data',
        [{'loss': 1.5, 'step': 20}, {'knn/group_top1': 40.0, 'step': 1}],
    )
    curves = read_scalars(tmp_path)
    assert curves['loss'] == {10: 3.0, 20: 1.5}
    assert curves['knn/group_top1'] == {1: 40.0}
    draw_curves(tmp_path, tmp_path / 'curves.png')
    width, height = Image.open(tmp_path / 'curves.png').size
    assert width > 2 * height


def test_curves_need_a_log(tmp_path):
    with pytest.raises(FileNotFoundError, match='vis_data/scalars.json in'):
        read_scalars(tmp_path)
