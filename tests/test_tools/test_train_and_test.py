"""``tools/train.py`` and ``tools/test.py`` on a toy, in this process."""

import json
import uuid

import pytest
import torch
from mmengine.config import Config
from toy import squares
from toy.training import ToyAccuracy

from m3i_mm.registry import MODELS
from m3i_mm.runs import cli

pytestmark = pytest.mark.openmmlab


def train(toy_config_file, work_dir, *arguments, options=()):
    # MMEngine keeps loggers by experiment name, which has seconds only
    options = [f'experiment_name={uuid.uuid4().hex}', *options]
    folder = ['--work-dir', work_dir]
    command = [toy_config_file, *folder, '--cfg-options', *options, *arguments]
    cli.main_train(list(map(str, command)))


def weights(path):
    return torch.load(path, weights_only=False)['state_dict']


def fails(function, *arguments, **options):
    with pytest.raises(SystemExit) as stop:
        function(*arguments, **options)
    message = str(stop.value)
    assert message.startswith('error: ')
    assert '\n' not in message
    return message


def test_train_then_test(toy_config_file, tmp_path):
    train(toy_config_file, tmp_path)
    metrics = tmp_path / 'metrics.json'
    cli.main_test(
        [
            toy_config_file,
            str(tmp_path / 'epoch_2.pth'),
            '--work-dir',
            str(tmp_path / 'test'),
            '--out',
            str(metrics),
        ]
    )
    assert 0 <= json.loads(metrics.read_text())['top1'] <= 1


def test_frozen_features_are_no_predictions_to_pickle(tmp_path):
    cfg = Config(squares.toy_config(tmp_path))
    model = MODELS.build(cfg.model)
    torch.save(model.state_dict(), tmp_path / 'weights.pth')
    cfg.dump(tmp_path / 'squares.py')
    command = ['squares.py', 'weights.pth', '--out', 'predictions.pkl']
    message = fails(
        cli.main_test,
        [str(tmp_path / word) if '.' in word else word for word in command],
    )
    assert 'FeatureEvalLoop keeps no predictions' in message
    assert '.json' in message


def test_seed_and_amp_change_the_weights_and_repeat(toy_config_file, tmp_path):
    runs = {
        'one': ['--seed', 1],
        'again': ['--seed', 1],
        'two': ['--seed', 2],
        'amp': ['--seed', 1, '--amp'],
    }
    heads = {}
    for name, arguments in runs.items():
        train(toy_config_file, tmp_path / name, '--no-validate', *arguments)
        heads[name] = weights(tmp_path / name / 'epoch_2.pth')['head.weight']
    assert torch.equal(heads['one'], heads['again'])
    assert not torch.equal(heads['one'], heads['two'])
    assert not torch.equal(heads['one'], heads['amp'])
    torch.testing.assert_close(heads['one'], heads['amp'], rtol=0, atol=0.05)


def test_auto_scale_lr_counts_accumulation(toy_config_file, tmp_path):
    train(
        toy_config_file,
        tmp_path,
        '--auto-scale-lr',
        '--no-validate',
        options=[
            'optim_wrapper.accumulative_counts=4',
            'param_scheduler=None',
        ],
    )
    checkpoint = torch.load(tmp_path / 'epoch_2.pth', weights_only=False)
    # 1 process x 4 samples x 4 accumulated over a base of 8
    assert checkpoint['optimizer']['param_groups'][0]['lr'] == pytest.approx(
        0.1 * 16 / 8
    )
    (log,) = tmp_path.glob('*/*.log')
    assert '4 samples x 4 accumulated = 16' in log.read_text()


@pytest.mark.parametrize(
    ('override', 'words'),
    [
        ('modle.width=3', ["'modle'", "'model'"]),
        ('model.widht=3', ['model.widht', "'width'"]),
        ('model.type=ToyModl', ["model: there is no type 'ToyModl'", 'ToyM']),
        (
            'optim_wrapper.optimizer.type=AdamV',
            ["optim_wrapper.optimizer: there is no type 'AdamV'", "'Adam'"],
        ),
        (
            'train_dataloader.collate_fn.type=default_colate',
            ["train_dataloader.collate_fn: there is no type 'default_colate'"],
        ),
        ('custom_hooks=[Nope]', ["settings of hooks, not ['Nope']"]),
        (
            'optim_wrapper.optimizer.momentu=0.5',
            ['optim_wrapper.optimizer.momentu', "'momentum'"],
        ),
        (
            'train_dataloader.dataset.data_root=data/missing',
            ['train_dataloader.dataset.data_root', 'data/missing'],
        ),
    ],
)
def test_mistakes_are_named(toy_config_file, tmp_path, override, words):
    message = fails(train, toy_config_file, tmp_path, options=[override])
    for word in words:
        assert word in message


def test_what_an_optimizer_refuses_is_one_line(toy_config_file, tmp_path):
    options = [
        'optim_wrapper.constructor=m3i_mm.LayerDecayOptimWrapperConstructor',
        'optim_wrapper.paramwise_cfg.layer_decay_rate=0.9',
    ]
    message = fails(train, toy_config_file, tmp_path, options=options)
    assert message.startswith('error: optim_wrapper: layer decay needs a')


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--launcher', 'pytorch'], 'RANK and WORLD_SIZE are not set'),
        (['--launcher', 'slurm'], 'slurm_train.sh starts the processes'),
        (['--seed', '-1'], 'argument --seed: -1 is no whole number'),
    ],
)
def test_arguments_that_cannot_be_are_one_line(
    toy_config_file, tmp_path, monkeypatch, words, said
):
    for name in ('RANK', 'WORLD_SIZE', 'SLURM_PROCID', 'SLURM_NTASKS'):
        monkeypatch.delenv(name, raising=False)
    assert said in fails(train, toy_config_file, tmp_path, *words)


def test_what_a_metric_refuses_is_one_line(
    toy_config_file, tmp_path, monkeypatch
):
    def refuse(self, results):
        raise ValueError('no top 9 of 2 classes')

    monkeypatch.setattr(ToyAccuracy, 'compute_metrics', refuse)
    message = fails(train, toy_config_file, tmp_path)
    assert message == 'error: the metric ToyAccuracy: no top 9 of 2 classes'


def test_missing_files_are_named(toy_config_file, tmp_path):
    assert 'nowhere.py' in fails(train, 'nowhere.py', tmp_path)
    missing = str(tmp_path / 'missing.pth')
    for function, arguments in (
        (train, (toy_config_file, tmp_path, '--resume', missing)),
        (cli.main_test, ([toy_config_file, missing],)),
    ):
        assert missing in fails(function, *arguments)


def test_nonfinite_loss_keeps_the_state_before(toy_config_file, tmp_path):
    message = fails(
        train,
        toy_config_file,
        tmp_path / 'nan',
        options=['model.nan_at=4'],
    )
    saved = tmp_path / 'nan' / 'before_nan_iter_4.pth'
    for words in ("iteration 5: the loss 'intra.loss' is nan", str(saved)):
        assert words in message
    before = torch.load(saved, weights_only=False)
    # Iteration 4 is the end of the first epoch
    reference = torch.load(
        tmp_path / 'nan' / 'epoch_1.pth', weights_only=False
    )
    assert before['meta']['iter'] == reference['meta']['iter'] == 4
    assert before['meta']['epoch'] == reference['meta']['epoch'] == 1
    # Batch statistics too, which the failing forward pass had made NaN
    for name, value in reference['state_dict'].items():
        assert torch.equal(before['state_dict'][name], value), name


def test_nonfinite_weights_are_not_called_a_good_state(
    toy_config_file, tmp_path
):
    options = ['model.break_at=1']
    message = fails(train, toy_config_file, tmp_path, options=options)
    assert "'stem.weight' was not finite before" in message


def test_help_offers_no_gpus_option():
    # mim passes --gpus to tools whose help mentions it
    for parser in (cli.train_parser(), cli.test_parser()):
        assert '--gpus' not in parser.format_help()


def test_checkpoint_of_another_model_is_refused(toy_config_file, tmp_path):
    train(toy_config_file, tmp_path, '--no-validate')
    checkpoint = tmp_path / 'epoch_2.pth'
    wider = ['model.width=5']
    message = fails(
        train, toy_config_file, tmp_path, '--resume', options=wider
    )
    assert 'ToyModel' in message
    assert "'stem.weight' has the shape (5, 3, 3, 3)" in message
    assert '(4, 3, 3, 3)' in message
    command = [toy_config_file, str(tmp_path / 'other.pth')]
    torch.save({'state_dict': {'conv.weight': torch.ones(3)}}, command[1])
    assert 'conv.weight' in fails(cli.main_test, command)
    # A different head alone is what fine-tuning starts from
    state = torch.load(checkpoint, weights_only=False)
    state['state_dict']['head.weight'] = torch.ones(7, 4)
    torch.save(state, command[1])
    options = [f'load_from={command[1]}']
    train(toy_config_file, tmp_path / 'tuned', options=options)


def test_resume_beside_load_from_says_which_is_read(toy_config_file, tmp_path):
    train(toy_config_file, tmp_path / 'first', '--no-validate')
    start = tmp_path / 'first' / 'epoch_1.pth'
    run = tmp_path / 'run'
    options = [f'load_from={start}']
    for _ in range(2):
        words = ('--resume', '--no-validate')
        train(toy_config_file, run, *words, options=options)
    # two runs that begin within a second have one log
    said = ''.join(path.read_text() for path in run.glob('*/*.log'))
    assert said.count(f'no checkpoint, load_from={start} begins') == 1
    last = run / 'epoch_2.pth'
    assert (
        f'continues from {last}; load_from={start}, which begins a run, is '
        'not read' in said
    )
