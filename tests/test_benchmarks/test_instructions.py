"""Counting what a thread executes, in assembly written by hand."""

import pytest
import torch

from m3i_mm.benchmarks import instructions
from m3i_mm.benchmarks.instructions import (
    count_dcnv3,
    executed_instructions,
    find_nvdisasm,
    used_registers,
)
from m3i_mm.ops import Layout

ASSEMBLY = """
kernel:
        /*0000*/                   LDC R1, c[0x0][0x28] ;
        /*0010*/                   S2R R22, SR_TID.X ;
.L_x_1:
        /*0020*/                   FADD R2, R2, 1 ;
.L_x_0:
        /*0030*/              @!P0 FFMA R12, R2, R3, R4 ;
        /*0040*/               @P1 BRA `(.L_x_0) ;
        /*0050*/               @P0 BRA `(.L_x_1) ;
        /*0060*/                   EXIT ;
.L_x_2:
        /*0070*/                   BRA `(.L_x_2);
        /*0080*/                   NOP;
.L_x_3:
"""


def test_loops_count_once_an_iteration():
    # 2 before, 4 in a loop of which 2 in an inner one, 2 after
    assert executed_instructions(ASSEMBLY, (1, 1)) == 8
    assert executed_instructions(ASSEMBLY, (5, 3)) == 4 + 2 * 5 + 2 * 15


def test_registers_come_in_eights():
    assert used_registers(ASSEMBLY) == 24


def test_a_missing_disassembler_is_named(monkeypatch):
    pytest.importorskip('triton')
    monkeypatch.setattr(instructions, 'find_nvdisasm', lambda: None)
    with pytest.raises(FileNotFoundError, match='nvidia-cuda-nvdisasm'):
        count_dcnv3(32, 2, torch.float32, 90)


@pytest.mark.skipif(find_nvdisasm() is None, reason='needs nvdisasm')
@pytest.mark.parametrize(
    ('dtype', 'softmax', 'most', 'registers'),
    [
        ('bfloat16', False, 118, 56),
        ('float32', False, 120, 56),
        ('float16', False, 118, 64),
        ('bfloat16', True, 125, 64),
        ('float32', True, 130, 56),
        ('float16', True, 128, 64),
    ],
)
def test_the_forward_kernel_is_short(dtype, softmax, most, registers):
    layout = Layout(softmax)
    forward, *_ = count_dcnv3(64, 4, getattr(torch, dtype), 90, layout=layout)
    assert forward['instructions per output'] <= most
    # 32 warps a multiprocessor, 36 of 56 registers
    assert forward['registers'] <= registers


@pytest.mark.skipif(find_nvdisasm() is None, reason='needs nvdisasm')
def test_kernels_of_small_maps_are_counted():
    rows = count_dcnv3(64, 4, torch.bfloat16, 90, size=7)
    kernels = {row['kernel']: row['instructions per output'] for row in rows}
    assert list(kernels) == [
        'forward_kernel',
        'points_kernel',
        'gather_kernel',
    ]
    assert kernels['points_kernel'] <= 150
    assert kernels['gather_kernel'] <= 200
