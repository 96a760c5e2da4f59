"""Processes and accumulation give the training of one large batch."""

import pickle
import uuid
from pathlib import Path

import pytest
import torch
import toy.views  # noqa: F401
from mmengine.config import Config
from mmengine.hooks import Hook
from toy.ranks import run_processes

from m3i_mm.checkpoints import CheckpointError, read_checkpoint
from m3i_mm.engine import FullyShardedStrategy, ZeroStrategy
from m3i_mm.runs.cli import build_runner
from m3i_mm.runs.config import complete_dataloaders
from m3i_mm.runs.processes import setup_cpu_processes

TOYS = Path(__file__).parents[1] / 'toy'
IN_ORDER = [0, 1, 2, 3, 4, 5, 6, 7]
# Process r of two reads the images r, r + 2, ...
AS_TWO_PROCESSES_READ = [0, 2, 4, 6, 1, 3, 5, 7]
AS_FOUR_PROCESSES_READ = [0, 4, 1, 5, 2, 6, 3, 7]


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def config(work_dir, batch_size, order=IN_ORDER, objectives=(), **kwargs):
    cfg = Config.fromfile(TOYS / 'm3i.py')
    cfg.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'experiment_name': uuid.uuid4().hex,
            'model.input.type': 'ChessboardMix',
            'model.backbone.drop_rate': 0.0,
            'train_dataloader.batch_size': batch_size,
            'train_cfg.max_epochs': 2,
            'optim_wrapper.optimizer.lr': 0.02,
            'default_hooks.param_scheduler.type': (
                'm3i_mm.OptimizerStepSchedulerHook'
            ),
            'default_hooks.checkpoint': None,
            **kwargs,
        }
    )
    cfg.train_dataloader.pop('batch_sampler')
    cfg.train_dataloader.dataset = dict(type='FixedViews', order=order)
    cfg.train_dataloader.sampler.shuffle = False
    for name in set(cfg.model.objectives) - set(objectives or ()):
        if objectives:
            cfg.model.objectives.pop(name)
    complete_dataloaders(cfg)
    return Config(cfg._cfg_dict.to_dict())


class Recorder(Hook):
    def __init__(self):
        self.losses = []

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        self.losses.append(
            {key: float(v) for key, v in outputs.items() if 'loss' in key}
        )


def train(cfg):
    """Train; return the losses of each step, final weights and the log."""
    runner = build_runner(cfg)
    recorder = Recorder()
    runner.register_hook(recorder)
    model = runner.train()
    weights = getattr(model, 'module', model).state_dict()
    return recorder.losses, weights, runner.message_hub


def train_process(rank, cfg, path):
    cfg.launcher = 'pytorch'
    setup_cpu_processes(cfg)
    losses, weights, _ = train(cfg)
    torch.save((losses, weights), f'{path}/{rank}.pth')


def train_two_processes(cfg, path):
    return train_processes(2, cfg, path)


def train_processes(number, cfg, path):
    run_processes(number, train_process, cfg, path, timeout=120)
    return [torch.load(f'{path}/{rank}.pth') for rank in range(number)]


def sharded(cfg):
    """Let FSDP shard the model, in full precision."""
    cfg.runner_type = 'FlexibleRunner'
    cfg.strategy = dict(type='m3i_mm.ShardedStrategy', min_unit=500)
    cfg.optim_wrapper.type = 'm3i_mm.ShardedOptimWrapper'
    cfg.optim_wrapper.dtype = 'float32'
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1)
    return cfg


def fully_sharded(cfg, **options):
    """Let FSDP2 shard the model, in full precision."""
    sharded(cfg).strategy = dict(
        type='m3i_mm.FullyShardedStrategy', min_unit=500, **options
    )
    return cfg


def zero(cfg, stage):
    """Let DeepSpeed divide the optimizer's state, in full precision."""
    cfg.runner_type = 'FlexibleRunner'
    cfg.strategy = dict(type='m3i_mm.ZeroStrategy', stage=stage)
    cfg.optim_wrapper.dtype = 'float32'
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1)
    return cfg


@pytest.fixture
def deepspeed(monkeypatch):
    """DeepSpeed without the op that it compiles for CPUs, a minute's work."""
    module = pytest.importorskip('deepspeed')
    monkeypatch.setitem(
        module.ops.__compatible_ops__, 'deepspeed_shm_comm', False
    )
    return module


def assert_same_weights(actual, expected):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            actual[name], value, rtol=1e-5, atol=1e-5, msg=name
        )


def test_two_processes_equal_the_doubled_batch(tmp_path):
    two = train_two_processes(config(tmp_path / 'two', 4), tmp_path)
    losses, weights, _ = train(
        config(tmp_path / 'one', 8, AS_TWO_PROCESSES_READ)
    )
    assert len(losses) == len(two[0][0]) == 8
    assert len(losses[0]) == 5  # intra, inter, category, text and their sum
    for step, (first, second) in enumerate(
        zip(two[0][0], two[1][0], strict=True)
    ):
        for name, value in losses[step].items():
            mean = (first[name] + second[name]) / 2
            assert mean == pytest.approx(value, rel=1e-5, abs=1e-5), name
    for _, other in two:
        assert_same_weights(other, weights)
    assert weights['momentum_encoder.steps'] == 8


def test_four_processes_equal_the_batch_of_all(tmp_path):
    four = train_processes(4, config(tmp_path / 'four', 2), tmp_path)
    _, weights, _ = train(config(tmp_path / 'one', 8, AS_FOUR_PROCESSES_READ))
    for _, other in four:
        assert_same_weights(other, weights)


def test_shards_equal_the_doubled_batch(tmp_path):
    # Groups by layer and by decay, which shards could not tell apart
    options = {
        'optim_wrapper.clip_grad': dict(max_norm=0.5),
        'optim_wrapper.optimizer.weight_decay': 0.1,
        'optim_wrapper.constructor': (
            'm3i_mm.LayerDecayOptimWrapperConstructor'
        ),
        'optim_wrapper.paramwise_cfg': dict(layer_decay_rate=0.8),
        # parameters of one element
        'model.weights': dict(type='LearnedWeights'),
        'model.objectives.text.likelihood.learnable': True,
    }
    train_two_processes(
        sharded(config(tmp_path / 'two', 4, **options)), tmp_path
    )
    _, weights, _ = train(
        config(tmp_path / 'one', 8, AS_TWO_PROCESSES_READ, **options)
    )
    checkpoint = torch.load(
        tmp_path / 'two' / 'epoch_2.pth', weights_only=False
    )
    assert_same_weights(checkpoint['state_dict'], weights)

    resumed = sharded(config(tmp_path / 'resumed', 4, **options))
    resumed.resume = True
    resumed.load_from = str(tmp_path / 'two' / 'epoch_1.pth')
    train_two_processes(resumed, tmp_path)
    again = torch.load(
        tmp_path / 'resumed' / 'epoch_2.pth', weights_only=False
    )
    for name, value in checkpoint['state_dict'].items():
        assert torch.equal(again['state_dict'][name], value), name


def test_shards_keep_both_moments_of_adam(tmp_path):
    options = {
        'optim_wrapper.optimizer': dict(
            _delete_=True, type='AdamW', lr=1e-3, weight_decay=0.1
        )
    }
    train_two_processes(
        sharded(config(tmp_path / 'two', 4, **options)), tmp_path
    )
    saved = torch.load(tmp_path / 'two' / 'epoch_1.pth', weights_only=False)
    moments = saved['optimizer']['state'].values()
    assert not any(
        torch.equal(state['exp_avg'], state['exp_avg_sq'])
        for state in moments
        if state['exp_avg'].any()
    )
    resumed = sharded(config(tmp_path / 'resumed', 4, **options))
    resumed.resume = True
    resumed.load_from = str(tmp_path / 'two' / 'epoch_1.pth')
    train_two_processes(resumed, tmp_path)
    whole, again = (
        torch.load(tmp_path / run / 'epoch_2.pth', weights_only=False)
        for run in ('two', 'resumed')
    )
    for name, value in whole['state_dict'].items():
        assert torch.equal(again['state_dict'][name], value), name


full_shards = pytest.mark.skipif(
    not hasattr(torch.cpu.Stream, 'record_event'),
    reason='this torch shards on GPUs alone',
)


@full_shards
@pytest.mark.parametrize('async_save', [False, True])
def test_full_shards_equal_the_doubled_batch(tmp_path, async_save):
    options = {
        'optim_wrapper.clip_grad': dict(max_norm=0.5),
        'optim_wrapper.optimizer.weight_decay': 0.1,
        'optim_wrapper.accumulative_counts': 2,
        'optim_wrapper.constructor': (
            'm3i_mm.LayerDecayOptimWrapperConstructor'
        ),
        'optim_wrapper.paramwise_cfg': dict(layer_decay_rate=0.8),
        'model.weights': dict(type='LearnedWeights'),
    }
    two = fully_sharded(
        config(tmp_path / 'two', 4, **options), async_save=async_save
    )
    train_two_processes(two, tmp_path)
    _, weights, _ = train(
        config(tmp_path / 'one', 8, AS_TWO_PROCESSES_READ, **options)
    )
    folder = str(tmp_path / 'two' / 'epoch_2.pth')
    assert (tmp_path / 'two' / 'last_checkpoint').read_text() == folder
    assert not list((tmp_path / 'two').glob('*.part'))
    whole = read_checkpoint(folder)['state_dict']
    assert_same_weights(whole, weights)

    resumed = fully_sharded(config(tmp_path / 'resumed', 4, **options))
    resumed.resume = True
    resumed.load_from = str(tmp_path / 'two' / 'epoch_1.pth')
    train_two_processes(resumed, tmp_path)
    again = read_checkpoint(str(tmp_path / 'resumed' / 'epoch_2.pth'))
    for name, value in whole.items():
        assert torch.equal(again['state_dict'][name], value), name
    # the rate without the factors of layers, which is logged
    rates = [
        run['message_hub']['log_scalars']['train/base_lr'].data[0].tolist()
        for run in (read_checkpoint(folder), again)
    ]
    assert rates[0] == rates[1]


@full_shards
def test_full_shards_of_two_go_on_with_one(tmp_path):
    train_two_processes(fully_sharded(config(tmp_path / 'two', 4)), tmp_path)
    alone = fully_sharded(config(tmp_path / 'alone', 8, AS_TWO_PROCESSES_READ))
    alone.resume = True
    alone.load_from = str(tmp_path / 'two' / 'epoch_1.pth')
    # epochs of the same four iterations
    train_processes(1, alone, tmp_path)
    two, one = (
        read_checkpoint(str(tmp_path / run / 'epoch_2.pth'))
        for run in ('two', 'alone')
    )
    assert_same_weights(one['state_dict'], two['state_dict'])
    for name, state in two['optimizer']['state'].items():
        assert_same_weights(one['optimizer']['state'][name], state)


def test_a_distributed_checkpoint_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return exec, ('raise SystemExit',)

    torch.save(dict(meta={}), tmp_path / 'run.pth')
    (tmp_path / '.metadata').write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError, match='exec is refused'):
        read_checkpoint(str(tmp_path))
    (tmp_path / '.metadata').write_bytes(b'cut')
    with pytest.raises(CheckpointError, match='is damaged'):
        read_checkpoint(str(tmp_path))


@pytest.mark.deepspeed
@pytest.mark.parametrize('stage', [1, 2])
def test_zero_equals_the_doubled_batch(deepspeed, tmp_path, stage):
    options = {
        'optim_wrapper.clip_grad': dict(max_norm=0.5),
        'optim_wrapper.constructor': (
            'm3i_mm.LayerDecayOptimWrapperConstructor'
        ),
        'optim_wrapper.paramwise_cfg': dict(layer_decay_rate=0.8),
    }
    cfg = zero(config(tmp_path / 'two', 4, **options), stage)
    two = train_two_processes(cfg, tmp_path)
    _, weights, _ = train(
        config(tmp_path / 'one', 8, AS_TWO_PROCESSES_READ, **options)
    )
    for _, other in two:
        assert_same_weights(other, weights)

    resumed = zero(config(tmp_path / 'resumed', 4, **options), stage)
    resumed.resume = True
    resumed.load_from = str(tmp_path / 'two' / 'epoch_1.pth')
    again = train_two_processes(resumed, tmp_path)
    for name, value in two[0][1].items():
        assert torch.equal(again[0][1][name], value), name

    # Downstream reads DeepSpeed's folders like files
    folder = read_checkpoint(str(tmp_path / 'resumed' / 'epoch_2.pth'))
    assert folder['meta']['epoch'] == 2
    assert_same_weights(folder['state_dict'], weights)


@pytest.mark.deepspeed
def test_zero_accumulates_and_autocasts(deepspeed, tmp_path):
    options = {
        'optim_wrapper.accumulative_counts': 2,
        'optim_wrapper.type': 'm3i_mm.MixedPrecisionOptimWrapper',
    }
    cfg = zero(config(tmp_path / 'two', 4, **options), stage=1)
    cfg.optim_wrapper.dtype = 'bfloat16'
    losses, weights = train_two_processes(cfg, tmp_path)[0]
    assert weights['momentum_encoder.steps'] == 4
    assert weights['backbone.patch_embed.projection.weight'].dtype == (
        torch.float32
    )
    full = train(config(tmp_path / 'one', 8, AS_TWO_PROCESSES_READ))[0]
    assert losses[0] != full[0]
    assert losses[0]['loss'] == pytest.approx(full[0]['loss'], rel=0.1)


@pytest.mark.deepspeed
def test_zero_without_a_launcher(deepspeed, tmp_path):
    with pytest.raises(RuntimeError, match=r'dist_train\.sh CONFIG 1'):
        build_runner(zero(config(tmp_path, 4), stage=1)).train()


def test_zero_keeps_weights_whole():
    with pytest.raises(ValueError, match='ShardedStrategy'):
        ZeroStrategy(stage=3)


def test_accumulation_equals_the_large_batch(tmp_path):
    # Negatives come from one forward pass, so contrastive losses differ
    images = ('intra', 'inter', 'category')
    _, large, hub = train(config(tmp_path / 'large', 8, objectives=images))
    _, small, other_hub = train(
        config(
            tmp_path / 'small',
            4,
            objectives=images,
            **{'optim_wrapper.accumulative_counts': 2},
        )
    )
    assert_same_weights(small, large)
    assert small['momentum_encoder.steps'] == 8
    for name in ('train/momentum', 'train/lr'):
        expected = hub.get_scalar(name).data[0]
        actual = other_hub.get_scalar(name).data[0]
        if len(actual) > len(expected):  # logged in every iteration
            actual = actual[1::2]
        torch.testing.assert_close(
            torch.tensor(actual), torch.tensor(expected)
        )


def test_an_old_torch_does_not_shard_fully_on_a_cpu(monkeypatch):
    monkeypatch.setattr(torch.cpu, 'Stream', object)
    strategy = FullyShardedStrategy()
    with pytest.raises(RuntimeError, match=r'a newer one, or ShardedStrategy'):
        strategy._wrap_model(torch.nn.Linear(2, 2))
