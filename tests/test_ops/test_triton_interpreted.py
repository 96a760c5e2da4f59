"""The Triton kernels without a GPU: interpreted, and compiled to PTX."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('triton')

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]


def run_without_gpu(*command, **environment):
    """Run Python in a process that has not yet imported Triton."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={
            **os.environ,
            'CUDA_VISIBLE_DEVICES': '',
            'PYTHONPATH': str(ROOT),
            **environment,
        },
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    'tests',
    [
        'test_ops/test_dcnv3_triton.py',
        'test_ops/test_dcnv3_triton_gather.py',
        'test_ops/test_dcnv3_triton_prediction.py',
        'test_ops/test_add_norm.py',
        'test_models/test_internimage/test_fused_block.py',
    ],
)
def test_kernels_are_right_in_the_interpreter(tests):
    tests = FOLDER.parent / tests
    result = run_without_gpu(
        *('-m', 'pytest', '-q', '-m', 'not gpu', str(tests)),
        TRITON_INTERPRET='1',
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert 'skipped' not in result.stdout


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16', 'float16'])
@pytest.mark.parametrize('architecture', ['80', '90'])
def test_kernels_compile_and_load_whole_vectors(architecture, dtype):
    result = run_without_gpu(
        str(FOLDER / 'compile_dcnv3_kernels.py'),
        *(architecture, dtype),
        TRITON_INTERPRET='0',
    )
    assert result.returncode == 0, result.stdout + result.stderr
    kernels = {}
    for part in result.stdout.split('// ')[1:]:
        found = re.match(r'(\w+)_kernel: (\d+) registers, (\d+) spi', part)
        if found:
            name, registers, spilled = found.groups()
            kernels[name] = part
            assert spilled == '0', name
            # of 65,536: 24 warps a multiprocessor; 16 of one-warp programs
            most = 128 if name in ('far', 'gather') else 80
            assert int(registers) <= most, name
        else:
            kernels[name] += part
    assert set(kernels) == {
        *('forward', 'points', 'far', 'gather', 'backward'),
        'fused_forward',
    }
    # two vectors of the output; sums of exponentials one by one, not four
    stores = re.findall(r'st\.global\.(\S+)', kernels['fused_forward'])
    assert stores.count('v4.b32') == 2
    assert set(stores) == {'v4.b32', 'b32'}
    assert 'mma.sync' in kernels['gather']
    assert not re.search(r'atom|red\.global', kernels['gather'])
    # additions without vectors before Hopper
    vector = 'v4.' if architecture == '90' else ''
    assert f'atom.global.gpu.relaxed.add.{vector}f32' in kernels['backward']
    if dtype != 'float32':
        # 4 pixels of 16 channels each, 8 channels to a 128-bit load
        for name in ('forward', 'points'):
            loads = re.findall(r'ld\.global\.v4\.b32', kernels[name])
            assert len(loads) >= 8
        # as many channels to a load as to an addition
        loads = re.findall(r'ld\.global\.v2\.b32', kernels['backward'])
        assert len(loads) >= 8


@pytest.mark.parametrize('architecture', ['80', '90'])
def test_norms_compile_without_spills(architecture):
    result = run_without_gpu(
        str(FOLDER / 'compile_add_norm_kernels.py'),
        *(architecture, '112', '2560'),
        TRITON_INTERPRET='0',
    )
    assert result.returncode == 0, result.stdout + result.stderr
    rows = [line.split() for line in result.stdout.splitlines()]
    assert len(rows) == 20
    assert all(spilled == '0' for *_, spilled in rows), result.stdout
