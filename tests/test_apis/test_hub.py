"""Models in the form of the Hugging Face hub."""

from __future__ import annotations

import json
from pathlib import Path

import huggingface_hub
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from toy.foundation import write_timm
from toy.hub import serve_hub

from m3i_mm.apis import HubError, M3IModel, get_model
from m3i_mm.checkpoints import CheckpointError
from m3i_mm.registry import MODELS
from m3i_mm.reports import card_facts

pytestmark = pytest.mark.openmmlab
CONFIG = Path(__file__).parents[1] / 'toy' / 'm3i.py'


def write_checkpoint(path, **changes):
    """Write a checkpoint of the toy model as a training does."""
    init_default_scope('mmpretrain')
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict(changes)
    model = MODELS.build(cfg.model)
    model.init_weights()
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = dict(epoch=1, cfg=cfg.pretty_text)
    torch.save(dict(meta=meta, state_dict=model.state_dict()), path)
    model.eval()
    return model


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp('run') / 'epoch_1.pth'
    return path, write_checkpoint(path)


@pytest.fixture(scope='module')
def folder(run, tmp_path_factory):
    out = tmp_path_factory.mktemp('hub') / 'model'
    M3IModel.from_checkpoint(str(run[0])).save_pretrained(out)
    return out


def test_a_folder_gives_the_model_back(run, folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {'README.md', 'config.json', 'model.safetensors'}
    hub = M3IModel.from_pretrained(folder)
    assert not hub.model.training
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(hub(images), run[1](images))
    tokens = torch.tensor([[49406, 5, 49407, 0, 0]])
    torch.testing.assert_close(
        hub.model.encode_text(tokens), run[1].encode_text(tokens)
    )
    for name, value in run[1].state_dict().items():
        assert torch.equal(hub.model.state_dict()[name], value)


def test_by_name(run, folder):
    model = get_model(f'hf:{folder}')
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(model(images), run[1](images))
    assert model._config.model.type == 'm3i_mm.M3I'
    with pytest.raises(ValueError, match='give neither changes .backbone'):
        get_model(f'hf:{folder}', backbone=dict(drop_rate=0))


def test_teachers_stay_at_home(tmp_path):
    write_timm(tmp_path / 'vit')
    objective = dict(
        target=dict(type='DenseFeatures', encoder='dino'),
        decoder='image',
        likelihood=dict(type='Gaussian'),
    )
    path = tmp_path / 'run' / 'epoch_1.pth'
    teacher = dict(type='m3i_mm.Teacher', name=str(tmp_path / 'vit'))
    model = write_checkpoint(
        path,
        **{
            'model.teachers': dict(dino=teacher),
            'model.objectives.dino': objective,
        },
    )
    hub = M3IModel.from_checkpoint(str(path))
    assert 'teachers' not in hub.settings['model']
    assert 'dino' not in hub.settings['model']['objectives']
    hub.save_pretrained(tmp_path / 'hub')
    loaded = M3IModel.from_pretrained(tmp_path / 'hub').model
    images = torch.randn(1, 3, 16, 16)
    torch.testing.assert_close(loaded(images), model(images))


def test_the_card_is_made_from_the_run(run, tmp_path):
    work = tmp_path / 'work'
    log = work / '20260101'
    (log / 'vis_data').mkdir(parents=True)
    lines = [
        dict(step=1, loss=2.5),
        {'step': 2, 'knn/top1': 41.25, 'linear/top1': 50.5},
    ]
    text = ''.join(json.dumps(line) + '\n' for line in lines)
    (log / 'vis_data' / 'scalars.json').write_text(text)
    versions = dict(m3i_mm='0.1.0', torch='2.11.0')
    (log / 'run.json').write_text(json.dumps(dict(versions=versions)))
    Config.fromfile(CONFIG).dump(work / 'm3i.py')
    facts = card_facts(work)
    hub = M3IModel.from_checkpoint(str(run[0]))
    hub.save_pretrained(
        tmp_path / 'hub',
        model_card_kwargs=dict(
            facts, license='mit', notes='Not for faces.', name='me/model'
        ),
    )
    card = huggingface_hub.ModelCard.load(tmp_path / 'hub' / 'README.md')
    assert card.data.license == 'mit'
    assert card.data.library_name == 'm3i_mm'
    assert 'm3i' in card.data.tags
    for part in (
        '| this run | knn/top1 | 41.25 |',
        '| torch | 2.11.0 |',
        'Not for faces.',
        "M3IModel.from_pretrained('me/model')",
        '| category | CategoryTarget | Categorical |',
        "type='m3i_mm.M3I'",
    ):
        assert part in card.text, part


def test_pushing_uploads_the_folder(run, monkeypatch):
    calls = {}

    class Api:
        def __init__(self, **_):
            pass

        def create_repo(self, repo_id, **_):
            calls['repo'] = repo_id
            return huggingface_hub.RepoUrl(f'https://huggingface.co/{repo_id}')

        def upload_folder(self, folder_path, **settings):
            folder = Path(folder_path)
            calls['files'] = sorted(p.name for p in folder.iterdir())
            calls['message'] = settings['commit_message']

    monkeypatch.setattr('huggingface_hub.hub_mixin.HfApi', Api)
    hub = M3IModel.from_checkpoint(str(run[0]))
    hub.push_to_hub('me/model', commit_message='First')
    assert calls == dict(
        repo='me/model',
        files=['README.md', 'config.json', 'model.safetensors'],
        message='First',
    )


@pytest.fixture
def hub(folder):
    with serve_hub('me/model', folder) as holder:
        yield holder


def test_from_a_repository(run, hub, tmp_path):
    cache = tmp_path / 'cache'
    model = M3IModel.from_pretrained('me/model', cache_dir=cache).model
    images = torch.randn(1, 3, 16, 16)
    torch.testing.assert_close(model(images), run[1](images))
    # and once more from the cache
    again = M3IModel.from_pretrained(
        'me/model', cache_dir=cache, local_files_only=True
    )
    torch.testing.assert_close(again(images), run[1](images))
    with pytest.raises(HubError, match='me/other'):
        M3IModel.from_pretrained('me/other', cache_dir=cache)


def test_a_repository_without_weights(folder, hub, tmp_path):
    cache = tmp_path / 'cache'
    hub.files = tmp_path / 'half'
    hub.files.mkdir()
    (hub.files / 'config.json').write_bytes(
        (folder / 'config.json').read_bytes()
    )
    with pytest.raises(HubError, match=r'model\.safetensors of me/model'):
        M3IModel.from_pretrained('me/model', cache_dir=cache)


def test_folders_that_are_no_models(run, folder, tmp_path):
    with pytest.raises(HubError, match=r'has no config\.json: give a folder'):
        M3IModel.from_pretrained(tmp_path)
    (tmp_path / 'config.json').write_text('{"model_type": "bert"}')
    with pytest.raises(HubError, match=r'no config\.json of M3IModel'):
        M3IModel.from_pretrained(tmp_path)
    config = json.loads((folder / 'config.json').read_text())
    config['settings']['model']['backbone']['arch']['embed_dims'] = 32
    (tmp_path / 'config.json').write_text(json.dumps(config))
    (tmp_path / 'model.safetensors').write_bytes(
        (folder / 'model.safetensors').read_bytes()
    )
    with pytest.raises(CheckpointError, match='differ in shape'):
        M3IModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    'kind', ['os.system', 'mmengine.load', 'm3i_mm.runs.cli.main_train', 3]
)
def test_a_config_cannot_call_anything(folder, tmp_path, kind):
    config = json.loads((folder / 'config.json').read_text())
    config['settings']['model']['neck'] = dict(type=kind, command='false')
    (tmp_path / 'config.json').write_text(json.dumps(config))
    with pytest.raises(HubError, match='which is no class of m3i_mm'):
        M3IModel.from_pretrained(tmp_path)
