"""Reading checkpoints: weights first, anything else only if trusted."""

import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors.torch import save_file

from m3i_mm.checkpoints.reading import (
    TRUST_VARIABLE,
    CheckpointError,
    install,
    read_checkpoint,
)

pytestmark = pytest.mark.openmmlab


class Innocent:
    """An object that a pickle can only bring back by running code."""


class Malicious:
    """Unpickling it creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.fixture
def weights():
    return OrderedDict(weight=torch.arange(3.0))


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'file.pth')


def test_training_checkpoint_of_mmengine_needs_no_trust(path, weights):
    history = HistoryBuffer(np.arange(3), np.ones(3))
    content = dict(
        state_dict=weights,
        message_hub=dict(
            log_scalars={'train/loss': history},
            runtime_info=dict(
                best=np.float32(0.5),
                count=np.int64(3),
                flags=np.array([True]),
            ),
        ),
        meta=dict(dataset_meta=dict(classes=('a', 'b'))),
        optimizer=torch.optim.AdamW([weights['weight']]).state_dict(),
    )
    torch.save(content, path)
    loaded = read_checkpoint(path)
    assert torch.equal(loaded['state_dict']['weight'], weights['weight'])
    info = loaded['message_hub']['runtime_info']
    assert info['best'] == 0.5
    assert info['count'] == 3
    restored = loaded['message_hub']['log_scalars']['train/loss']
    assert restored.mean() == history.mean()
    assert restored.statistics('max') == 2


def test_other_objects_are_refused_by_name(path, weights):
    torch.save(dict(model=weights, config=Innocent()), path)
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(path)
    message = str(error.value)
    assert path in message
    assert 'Innocent' in message
    assert f'{TRUST_VARIABLE}=1' in message


def test_refused_code_does_not_run(path, tmp_path, weights):
    victim = tmp_path / 'victim'
    torch.save(dict(model=weights, config=Malicious(str(victim))), path)
    with pytest.raises(CheckpointError, match='open'):
        read_checkpoint(path)
    assert not victim.exists()


def test_history_lets_only_its_public_methods_be_asked_for(path):
    class Sneaky:
        def __reduce__(self):
            return getattr, (HistoryBuffer, '__init__')

    torch.save(dict(x=Sneaky()), path)
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


@pytest.mark.parametrize('how', ['argument', 'environment'])
def test_owner_can_opt_in(path, weights, monkeypatch, how):
    torch.save(dict(model=weights, config=Innocent()), path)
    if how == 'environment':
        monkeypatch.setenv(TRUST_VARIABLE, '1')
    loaded = read_checkpoint(path, trust=how == 'argument')
    assert isinstance(loaded['config'], Innocent)


def test_safetensors(tmp_path, weights):
    path = str(tmp_path / 'file.safetensors')
    save_file(dict(weights), path)
    assert torch.equal(read_checkpoint(path)['weight'], weights['weight'])


def test_missing_and_damaged_files_are_named(path):
    with pytest.raises(FileNotFoundError, match=r'no checkpoint .*file\.pth'):
        read_checkpoint(path)
    with open(path, 'wb') as file:
        pickle.dump(Innocent, file)
    with pytest.raises(CheckpointError, match=r'file\.pth is not a check'):
        read_checkpoint(path)


def test_what_went_wrong_has_a_name(path):
    """The pickle machine knows but a number of its first letter."""
    with open(path, 'w') as file:
        file.write('hello')
    with pytest.raises(CheckpointError, match=r'damaged: KeyError: 101$'):
        read_checkpoint(str(path))


def test_mmengine_reads_by_these_rules_once_installed(path, weights):
    install()
    torch.save(dict(model=weights, config=Innocent()), path)
    with pytest.raises(CheckpointError, match='Innocent'):
        CheckpointLoader.load_checkpoint(path)


def test_downloads_are_read_by_the_same_rules(
    path, weights, monkeypatch, tmp_path
):
    torch.save(dict(model=weights), path)
    url = 'https://example.org/some/file.pth?download=true'
    asked = []

    def download(address, target):
        asked.append(address)
        with open(path, 'rb') as source, open(target, 'wb') as copy:
            copy.write(source.read())

    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    install()
    for _ in range(2):
        loaded = CheckpointLoader.load_checkpoint(url)
        assert torch.equal(loaded['model']['weight'], weights['weight'])
    assert asked == [url]


def test_training_resumes(toy_config):
    """With a log history in the checkpoint, on every line of OpenMMLab."""
    install()
    Runner.from_cfg(toy_config).train()
    toy_config.resume = True
    toy_config.train_cfg.max_epochs = 3
    resumed = Runner.from_cfg(toy_config)
    resumed.train()
    assert resumed.epoch == 3
    assert len(resumed.message_hub.get_scalar('train/loss').data[0]) > 8
