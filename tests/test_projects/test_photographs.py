"""projects/photographs: its rows, its bad input, its tables; no training."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope
from toy.recipes import samples

import m3i_mm.models  # noqa: F401
from m3i_mm.registry import MODELS
from m3i_mm.runs.reading import read_config

PROJECT = Path(__file__).parents[2] / 'projects/photographs'
sys.path.insert(0, str(PROJECT))

import budgets  # noqa: E402
import compare  # noqa: E402
import rows  # noqa: E402
import run  # noqa: E402
import tables  # noqa: E402

TRAINED = [row for row in rows.ROWS if row not in (rows.PIXELS, rows.RANDOM)]


def write(folder, row, seed, images=2048, **metrics):
    path = run.result_file(folder, row, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = dict(row=row, seed=seed, images=images, metrics=metrics)
    path.write_text(json.dumps(content))
    return path


def start(tmp_path, row='m3i', seed=0, images=2048, part='test'):
    trial = run.Trial(row, seed, images, part)
    return run.run(trial, tmp_path, tmp_path / 'r', tmp_path / 'w')


@pytest.mark.parametrize('row', [*TRAINED, *rows.settings()])
def test_a_row_steps_on_the_shared_encoder(row):
    cfg = read_config(str(rows.config_of(row)))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg.model)
    model.init_weights()
    encoder = sum(p.numel() for p in model.backbone.parameters())
    # those of 96 px have the encoder of m3i pretrain
    assert encoder == (699168 if '96' in row else 696416)
    views = [torch.randn(4, 3, 32, 32) for _ in range(2)]
    total, _ = model.parse_losses(model.loss(views, samples()))
    total.backward()
    assert total.isfinite()
    grads = [p.grad for p in model.backbone.parameters()]
    assert any(g is not None and g.abs().max() > 0 for g in grads)
    needs_text = any(
        hasattr(o.target, 'encode_text') for o in objectives(model)
    )
    has_text = any(
        e.type.endswith('TextRetrieval') for e in cfg.test_evaluator
    )
    assert needs_text == has_text


def objectives(model):
    return [objective for _, objective in model.named_objectives()]


def test_the_two_stages_are_those_of_m3i():
    cfg = read_config(str(rows.config_of('two-stage')))
    first = read_config(str(rows.CONFIGS / cfg.first_stage))
    full = read_config(str(rows.config_of('m3i')))
    named = [
        {name for name, settings in c.model.objectives.items() if settings}
        for c in (first, cfg, full)
    ]
    assert named[0] | named[1] == named[2]
    assert not named[0] & named[1]


def test_a_missing_set_says_where_to_get_it(tmp_path):
    (tmp_path / 'camvid/img/train').mkdir(parents=True)
    with pytest.raises(SystemExit) as error:
        compare.main(['--data-root', str(tmp_path), '--jobs', '1'])
    lines = str(error.value).splitlines()
    assert lines[0].endswith(
        'cifar10/train-00000.tar.gz is missing: '
        'CIFAR-10, https://www.cs.toronto.edu/~kriz/'
        'cifar.html'
    )
    assert 'Flickr8k' in lines[1]
    assert 'README.md' in lines[2]


def test_a_seed_is_given_once(capsys):
    with pytest.raises(SystemExit):
        compare.parse_args(['--seeds', '0', '1', '0'])
    assert '--seeds: [0] more than once' in capsys.readouterr().err


@pytest.mark.parametrize(
    'content',
    [
        '{"row": "m3i"',
        '[]',
        '{"row": "m3i", "seed": 0, "images": 1}',
        '{"row": "m3i", "seed": 0, "images": 1, "metrics": {"a": "b"}}',
    ],
)
def test_a_broken_result_is_one_error(tmp_path, content):
    path = write(tmp_path / 'r', 'm3i', 0)
    path.write_text(content)
    with pytest.raises(run.RunError, match=r'seed-0\.json is no result of'):
        start(tmp_path)
    with pytest.raises(SystemExit, match=r'error: .*seed-0\.json is no'):
        compare.main(['--table', '--results', str(tmp_path / 'r')])


def test_a_finished_run_is_kept(tmp_path):
    path = write(tmp_path / 'r', 'm3i', 0)
    before = path.read_text()
    assert start(tmp_path) == path
    assert path.read_text() == before


def test_a_result_of_another_budget(tmp_path):
    write(tmp_path / 'r', 'm3i', 0, images=4096)
    with pytest.raises(run.RunError, match=r'saw 4096 pictures, not 2048'):
        start(tmp_path)


def test_a_result_of_another_part(tmp_path):
    write(tmp_path / 'r', 'm3i', 0)
    with pytest.raises(run.RunError, match="part 'test', not 'val'"):
        start(tmp_path, part='val')


def test_a_learning_rate_has_a_folder_of_its_own():
    assert run.Trial('clip', 0, 2048).name == 'clip'
    assert run.Trial('clip', 0, 2048, rate=0.006).name == 'clip-0.006'


def files(cfg, part, folder):
    """The shards that the sets of a part read."""
    loader = cfg[f'{part}_dataloader']
    sources = [
        s.dataset.source
        for s in loader.values()
        if hasattr(s, 'dataset') and 'source' in s.dataset
    ]
    return {s.urls for s in sources if folder in s.urls}


def test_nothing_is_chosen_by_what_is_reported():
    cfg = read_config(str(rows.config_of('m3i')))
    sets = cfg.val_dataloader, cfg.test_dataloader
    assert sets[0].keys() == sets[1].keys()
    for name in ('query', 'caption0', 'emoji_query', 'camvid_query'):
        assert sets[0][name] != sets[1][name]
    trained = cfg.train_dataloader.dataset.datasets[0].source.urls
    assert trained.endswith('{00000..00008}.tar.gz')
    chosen = files(cfg, 'val', 'cifar10')
    assert {u.rsplit('/')[-1] for u in chosen} == {
        'train-00000.tar.gz',
        'train-00009.tar.gz',
    }


@pytest.mark.parametrize('row', TRAINED)
def test_both_parts_of_a_row_have_the_same_sets(row):
    cfg = read_config(str(rows.config_of(row)))
    assert cfg.val_dataloader.keys() == cfg.test_dataloader.keys()
    assert cfg.val_dataloader.query != cfg.test_dataloader.query


def test_two_runs_in_one_folder(tmp_path):
    folder = tmp_path / 'w/m3i/seed-0'
    folder.mkdir(parents=True)
    with (
        run.alone_in(folder),
        pytest.raises(run.RunError, match='another run is in .*seed-0'),
    ):
        start(tmp_path)


def test_a_budget_that_is_no_whole_epoch(tmp_path):
    with pytest.raises(run.RunError, match='cannot see 3000 pictures'):
        start(tmp_path, images=3000)


def result(knn, text=None, seed=0):
    found = dict.fromkeys(
        (
            'linear/gt_label_top1',
            'few/gt_label_top1',
            'segmentation/mIoU',
            'transfer/group_top1',
        ),
        10.0,
    )
    found['knn/gt_label_top1'] = knn
    if text is not None:
        found.update({'caption/i2t_R@10': text, 'caption/t2i_R@10': text + 2})
    return found


@pytest.fixture
def results(tmp_path):
    for seed, knn in enumerate((20, 30, 40)):
        write(tmp_path, 'm3i', seed, **result(knn, 1))
        write(tmp_path, 'simclr', seed, **result(knn + 4 + 2 * seed))
    write(tmp_path, 'pixels', 0, **result(50))
    return tmp_path


def test_tables_have_standard_errors_and_paired_differences(results, capsys):
    plot = results / 'plot.png'
    compare.main(['--table', '--results', str(results), '--plot', str(plot)])
    assert plot.read_bytes().startswith(b'\x89PNG')
    text = capsys.readouterr().out
    # (knn + 10) / 2: 15, 20, 25, of error 5 / sqrt(3)
    assert '| m3i | 3 | 20.0 ± 2.9 | 10.0 ± 0.0 | 2.0 ± 0.0 |' in text
    # halves of 4, 6, 8, although the rows spread by 2.9
    assert '| simclr - m3i | +3.0 ± 0.6 | +0.0 ± 0.0 |  |' in text
    # one run, compared with each seed
    assert '| pixels - m3i | +10.0 ± 2.9 |' in text


def test_an_unfinished_row_is_compared_with_its_own_seeds(results, capsys):
    write(results, 'clip', 1, **result(35, 1))
    compare.main(['--table', '--results', str(results)])
    text = capsys.readouterr().out
    assert '| clip | 1 | 22.5 |' in text
    # seed 1 of M3I has 20
    assert '| clip - m3i | +2.5 | +0.0 |' in text


def test_ranks_are_shared_by_equals_and_last_without_a_property(results):
    scores = tables.load_scores(results, rows.ROWS)
    ranks = tables.mean_ranks(scores)
    # categories 3, 2, 1; texts 1, 2.5, 2.5; the rest 2 each
    assert ranks == dict(
        m3i=(3 + 1 + 6) / 5, simclr=(2 + 2.5 + 6) / 5, pixels=(1 + 2.5 + 6) / 5
    )


def test_gains_are_in_deviations_between_seeds(results, capsys):
    scores = tables.load_scores(results, rows.ROWS)
    deviations = tables.seed_deviations(scores)
    # categories of m3i: 15, 20, 25; of simclr: 17, 23, 29
    assert deviations['categories'] == pytest.approx(((25 + 36) / 2) ** 0.5)
    assert deviations['texts'] == 0
    assert 'transfer' in deviations
    deviations.update({'few labels': 2.0, 'places': 1.0, 'transfer': 4.0})
    gains = tables.mean_gains(scores, {**deviations, 'texts': 1.0})
    assert gains['m3i'] == 0
    # three points of categories, nothing else, over four properties
    expected = 3 / deviations['categories'] / 4
    assert gains['simclr'] == pytest.approx(expected)


def test_the_validation_part_has_a_table_of_gains(results, capsys):
    compare.main(
        [
            *('--table', '--part', 'val', '--results', str(results)),
            *('--rows', 'm3i', 'simclr'),
        ]
    )
    text = capsys.readouterr().out
    assert text.startswith('| setting | categories')
    assert re.search(r'\| m3i .* \| \+0\.0 \|', text)


def timed(folder, row, seed, seconds):
    path = write(folder, row, seed)
    content = json.loads(path.read_text())
    path.write_text(json.dumps(dict(content, epoch_cpu_seconds=seconds)))


def test_an_equal_time_is_what_undisturbed_epochs_take(tmp_path):
    timed(tmp_path, 'clip', 0, [9.0, 4.0, 5.0])
    timed(tmp_path, 'clip', 1, [6.0, 4.5, 7.0])
    assert budgets.epoch_seconds(tmp_path, 'clip') == 4
    # 5.25 epochs
    assert budgets.pictures_for(21, tmp_path, 'clip', 1) == 5 * 2048
    # the first half of the epochs is the first stage: 2 and 6 s
    timed(tmp_path, 'two-stage', 0, [2.0, 3.0, 8.0, 6.0])
    assert budgets.epoch_seconds(tmp_path, 'two-stage', 2) == 4
    assert budgets.pictures_for(21, tmp_path, 'two-stage', 2) == 6 * 2048


def test_a_time_that_is_not_known_or_too_short(tmp_path):
    write(tmp_path, 'clip', 0)
    with pytest.raises(run.RunError, match='clip has no result with epoch'):
        budgets.pictures_for(9, tmp_path, 'clip', 1)
    timed(tmp_path, 'clip', 0, [4.0])
    with pytest.raises(run.RunError, match=r'less than clip needs for 2048'):
        budgets.pictures_for(1.9, tmp_path, 'clip', 1)


def test_trials_of_an_equal_time(tmp_path):
    timed(tmp_path, 'clip', 0, [4.0])
    timed(tmp_path, 'supervised', 0, [2.0])
    args = compare.parse_args(
        [
            *('--seconds', '16', '--measured', str(tmp_path)),
            *('--seeds', '0', '--rows', 'random', 'supervised', 'clip'),
        ]
    )
    seen = {t.row: t.images for t in compare.list_trials(args)}
    assert seen['supervised'] == 8 * 2048
    assert seen['clip'] == 4 * 2048


def test_rows_know_their_stages():
    stages = {row: rows.stages_of(row) for row in ('random', 'm3i')}
    assert stages == dict(random=0, m3i=1)
    assert rows.stages_of('two-stage') == 2


def test_models_write_into_copies_of_the_kept_samples():
    sample = samples()[0]
    loader = torch.utils.data.DataLoader(
        [dict(data_samples=sample)], batch_size=None, collate_fn=lambda b: b
    )
    loader = [dict(data_samples=[b['data_samples']]) for b in loader]
    kept = run.KeptBatches(type('Loader', (list,), dict(dataset=None))(loader))
    for batch in kept:
        batch['data_samples'][0].set_field(torch.ones(2), 'feature')
    assert len(kept) == 1
    (again,) = kept
    assert 'feature' not in again['data_samples'][0]
    assert 'view_geometry' in again['data_samples'][0]


def test_the_plan_for_a_gpu_names_what_is_there():
    text = (PROJECT / 'gpu.sh').read_text()
    paths = re.findall(r'(?:tools|tests|configs)/[\w./-]+', text)
    assert len(paths) == 7
    for path in paths:
        assert (PROJECT.parents[1] / path).exists(), path
    help_ = subprocess.run(
        ['bash', PROJECT / 'gpu.sh'], capture_output=True, text=True
    )
    assert help_.returncode == 2
    for piece in ('op', 'steps', 'train', 'test'):
        assert f'gpu.sh {piece} ' in help_.stdout
