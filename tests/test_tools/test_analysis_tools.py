"""Benchmarks and counting, from the command line."""

import json
import runpy
import sys

import pytest


def test_benchmark_dcnv3_writes_table_json_and_plot(run_tool, tmp_path):
    output = run_tool(
        'analysis_tools/benchmark_dcnv3.py',
        *('--archs', 'tiny', '--image-sizes', '32x64', '--device', 'cpu'),
        *('--contenders', 'torch', 'rival grid_sample'),
        *('--min-seconds', '0.001', '--out', tmp_path),
    ).stdout
    assert '| tiny | 32x64 | 3 | rival grid_sample |' in output
    content = json.loads((tmp_path / 'results.json').read_text())
    assert len(content['results']) == 8
    assert (tmp_path / 'plot.png').exists()


def test_benchmark_backbone_says_the_share_of_dcnv3(run_tool, tmp_path):
    path = tmp_path / 'results.json'
    run_tool(
        'analysis_tools/benchmark_backbone.py',
        *('--archs', 'tiny', '--image-sizes', '32x32', '--device', 'cpu'),
        *('--backends', 'torch'),
        *('--min-seconds', '0.001', '--out', path),
    )
    (row,) = json.loads(path.read_text())['results']
    assert row['backend'] == 'torch'
    assert row['share of dcnv3'] > 0


def test_benchmark_atomics_compares_two_backward_passes(run_tool, tmp_path):
    path = tmp_path / 'results.json'
    run_tool(
        'analysis_tools/benchmark_atomics.py',
        *('--archs', 'tiny', '--image-sizes', '32x32', '--device', 'cpu'),
        *('--backend', 'torch', '--min-seconds', '0.001', '--out', path),
    )
    rows = json.loads(path.read_text())['results']
    assert [row['stage'] for row in rows] == [0, 1, 2, 3]
    assert all(row['without input ms'] > 0 for row in rows)


def test_benchmark_card_lists_its_pieces(run_tool):
    output = run_tool('analysis_tools/benchmark_card.py', '--list').stdout
    assert output.startswith('right: python -m pytest')
    assert (
        'op-800-float32: python tools/analysis_tools/benchmark_dcn' in output
    )


def test_benchmark_shards_prints_a_row(run_tool, tmp_path):
    output = run_tool(
        'analysis_tools/benchmark_shards.py',
        *('--shards', 2, '--pictures', 8, '--workers', 1),
        *('--batch-size', 4, '--batches', 3, '--folder', tmp_path),
    ).stdout
    assert output.splitlines()[-1].startswith('| 2 | 0 | 1 | ')
    assert not list(tmp_path.iterdir())


def test_count_bytes_of_a_step(run_tool):
    output = run_tool(
        'analysis_tools/count_bytes.py',
        *('--archs', 'tiny', '--image-sizes', '32x32', '--dtype', 'bfloat16'),
    ).stdout
    assert 'InternImage tiny, 1 images of 32x32, bfloat16' in output
    assert '| deform_conv_v3.forward_kernel | 30 |' in output


def test_get_flops_of_a_config(run_tool):
    output = run_tool(
        'analysis_tools/get_flops.py',
        'configs/internimage/internimage-t_32xb128-amp-coslr-300e_in1k.py',
    ).stdout
    assert 'Parameters: 29,918,424' in output
    assert 'Multiply-accumulates: 4.89 G' in output


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (
            'benchmark_backbone.py --backends triton --device cpu',
            'does not ru',
        ),
        ('benchmark_atomics.py --device cpu', "'triton_atomic' does not run"),
        ('benchmark_backbone.py --image-sizes 0x8', '0 is no whole number'),
        ('benchmark_dcnv3.py --contenders x --device cpu', '--contenders x: '),
        ('plan_memory.py CONFIG', "the config has no entry 'optim_wrapper'"),
        ('plan_memory.py CONFIG --devices 0', '0 is no whole number'),
        ('benchmark_lists.py --rows 0', '0 is no number of at least 1'),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    words, said, tmp_path, monkeypatch
):
    (tmp_path / 'bare.py').write_text('a = 1')
    tool, *rest = words.replace('CONFIG', f'{tmp_path}/bare.py').split()
    monkeypatch.setattr(sys, 'argv', [tool, *rest])
    main = runpy.run_path(f'tools/analysis_tools/{tool}')['main']
    with pytest.raises(SystemExit, match=f'^error: .*{said}') as stop:
        main()
    assert stop.value.code == 2


DETECTOR = 'configs/coco/mask-rcnn_internimage-t_fpn_8xb2-1x_coco.py'
SOFT = 'model.test_cfg.rcnn.nms.type=soft_nms'


@pytest.mark.parametrize(
    ('tool', 'words'),
    [
        ('analysis_tools/get_flops.py', 'MaskRCNN is a detector.*--part'),
        ('analysis_tools/plan_memory.py', 'trains a MaskRCNN.*type M3I'),
        ('analysis_tools/benchmark_pretrain.py', 'MaskRCNN on InternImage'),
        ('export.py', 'MaskRCNN with soft_nms as.*--part backbone'),
    ],
)
@pytest.mark.parametrize('config', [DETECTOR, 'coco/mask-rcn'])
def test_a_config_of_another_kind_is_one_line(
    tool, words, config, monkeypatch
):
    others = ['--out', 'a.pt2', '--cfg-options', SOFT] * ('export' in tool)
    monkeypatch.setattr(sys, 'argv', [tool, config, *others])
    main = runpy.run_path(f'tools/{tool}')['main']
    if config != DETECTOR:
        words = 'there is no config .*m3i configs lists'
    with pytest.raises(SystemExit, match=f'^error: .*{words}') as stop:
        main()
    assert '\n' not in str(stop.value)
