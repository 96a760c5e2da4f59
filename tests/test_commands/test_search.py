"""``m3i search`` and ``m3i embed`` with a run on pictures with captions."""

import re
import shlex
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from toy import squares

from m3i_mm.apis import PictureSearch, get_model
from m3i_mm.commands import main
from m3i_mm.datasets.faults import SampleError

pytestmark = pytest.mark.openmmlab


@pytest.fixture(autouse=True)
def _same_argv(monkeypatch):
    monkeypatch.setattr(sys, 'argv', list(sys.argv))


COLORS = dict(red=(250, 0, 0), green=(0, 250, 0), pink=(250, 90, 90))


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of one-coloured pictures with captions, as the working one."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    rows = ['image,text']
    for name, color in COLORS.items():
        Image.new('RGB', (48, 40), color).save(folder / f'{name}.png')
        rows.append(f'{name}.png,a {name} dog')
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8)
    cv2.imwrite(str(folder / 'noise.png'), noise)
    (folder / 'list.csv').write_text('\n'.join([*rows, 'noise.png,noise']))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def run(photos):
    """The run of the examples."""
    main(
        shlex.split(
            'pretrain photos --work-dir runs/photos --epochs 1 --image-size 32'
        )
    )


def example(name, capsys):
    with pytest.raises(SystemExit):
        main([name, '--help'])
    help_ = capsys.readouterr().out
    return shlex.split(help_.split('example:\n')[1].strip())[1:]


def toy_search(photos):
    preprocessor = {**squares.PREPROCESSOR, 'to_rgb': True}
    tokenize = dict(type='Tokenize', tokenizer=dict(type='ToyTokenizer'))
    config = Config(
        dict(
            model=dict(type='ToyM3I', data_preprocessor=preprocessor),
            train_dataloader=dict(dataset=dict(pipeline=[tokenize])),
        )
    )
    return PictureSearch(get_model(config), photos, image_size=8)


def test_words_and_pictures_find_the_most_similar_first(photos):
    search = toy_search(photos)
    found = search.by_words('a green', k=2)
    assert found[0].path == photos / 'green.png'
    assert 1 >= found[0].similarity > found[1].similarity
    found = search.by_picture(photos / 'pink.png', k=9)
    assert [one.path.stem for one in found][:2] == ['pink', 'red']
    assert len(found) == 4
    assert found[0].similarity == pytest.approx(1)


def test_what_cannot_be_searched(photos):
    search = toy_search(photos)
    with pytest.raises(ValueError, match='no words'):
        search.by_words(' ')
    with pytest.raises(FileNotFoundError, match='absent'):
        search.by_picture('absent.png')
    (photos / 'broken.png').write_bytes(b'no picture')
    with pytest.raises(SampleError, match='broken'):
        search.by_picture(photos / 'broken.png')


def test_the_examples_of_the_help_run(run, capsys):
    main(example('search', capsys))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith('a dog on grass:')
    found = [
        re.fullmatch(r'  (-?\d\.\d{3})  photos/\w+\.png', x) for x in lines
    ]
    scores = [float(match[1]) for match in found if match]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)
    main(example('embed', capsys))
    with np.load('features.npz') as arrays:
        assert len(arrays['feature']) == 4
        assert set(arrays) >= {'sample_key', 'image_embedding'}


def test_the_answer_is_drawn_and_mistakes_are_one_line(run, capsys):
    main(
        shlex.split(
            'search photos --run runs/photos --top 2 --out a.png '
            '--like photos/red.png --words noise'
        )
    )
    said = capsys.readouterr().out
    assert 'photos/red.png:\n  1.000  photos/red.png' in said
    assert Image.open('a.png').width > 100
    for wrong, words in {
        'photos --words a': 'give --run RUN, or --config',
        'photos --words a --run photos': 'photos has no config',
        'absent --words a --run runs/photos': 'no image absent',
        'photos --like absent.png --run runs/photos': 'no image absent.png',
    }.items():
        with pytest.raises(SystemExit, match=f'^error: .*{words}'):
            main(['search', *shlex.split(wrong)])
    for wrong in ('photos --run runs/photos', 'photos --words a --top 0'):
        with pytest.raises(SystemExit) as stop:
            main(['search', *shlex.split(wrong)])
        assert stop.value.code == 2


def test_words_need_a_text_target(photos):
    (photos / 'list.csv').unlink()
    main(
        shlex.split(
            'pretrain photos --work-dir runs/plain --epochs 1 --image-size 32'
        )
    )
    torch.manual_seed(0)
    with pytest.raises(SystemExit, match='^error: .*text'):
        main(shlex.split('search photos --run runs/plain --words dog'))


def test_a_broken_picture_is_left_out_and_named(run, photos, capsys):
    (photos / 'broken.png').write_bytes(b'no picture')
    main(shlex.split('embed photos --run runs/photos --out features.npz'))
    said = capsys.readouterr()
    assert '4 features in features.npz' in said.out
    assert said.err.startswith('left out: image fault in photos/broken.png')
    main(shlex.split('search photos --run runs/photos --like photos/red.png'))
    said = capsys.readouterr()
    assert said.out.splitlines()[1] == '  1.000  photos/red.png'
    assert 'broken.png' in said.err
    main(
        shlex.split(
            'predict photos/red.png --run runs/photos --out found --device '
            'cpu --gallery photos/pink.png'
        )
    )
    assert (photos.parent / 'found/red.png').is_file()


def test_a_checkpoint_names_no_config_by_itself(run):
    with pytest.raises(SystemExit, match='stands alone if it is one of'):
        main(
            shlex.split(
                'embed photos --out a.npz --checkpoint runs/photos/epoch_1.pth'
            )
        )
