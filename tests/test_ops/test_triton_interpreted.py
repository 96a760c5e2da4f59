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


@pytest.mark.parametrize('architecture', ['80', '90'])
def test_kernels_compile_and_load_whole_vectors(architecture):
    result = run_without_gpu(
        str(FOLDER / 'compile_dcnv3_kernels.py'),
        architecture,
        TRITON_INTERPRET='0',
    )
    assert result.returncode == 0, result.stdout + result.stderr
    forward, backward = result.stdout.split('// backward_kernel')
    for registers, spilled in re.findall(
        r'(\d+) registers, (\d+) bytes', result.stdout
    ):
        assert spilled == '0'
        # 32 warps a multiprocessor, of 65,536 registers
        assert int(registers) <= 64
    # 4 pixels of 16 bfloat16 channels each, 8 channels to a 128-bit load
    assert len(re.findall(r'ld\.global\.v4\.b32', forward)) >= 8
    # as many channels to a load as to an addition
    assert len(re.findall(r'ld\.global\.v2\.b32', backward)) >= 8
    # additions without vectors before Hopper
    vector = 'v4.' if architecture == '90' else ''
    assert f'atom.global.gpu.relaxed.add.{vector}f32' in backward


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
