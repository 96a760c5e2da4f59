"""Print DCNv3's kernels as PTX for an architecture, without a GPU."""

import sys

import torch
from ptxas import assemble

from m3i_mm.benchmarks.instructions import compile_launch, dcnv3_launches
from m3i_mm.ops import Layout

if __name__ == '__main__':
    architecture, dtype = int(sys.argv[1]), getattr(torch, sys.argv[2])
    fused = Layout(softmax=True, gate=True)
    launches = {
        'fused_': dcnv3_launches(128, 4, dtype, 56, 'triton', fused)[:1],
        '': [
            launch
            for backend in ('triton', 'triton_atomic')
            for launch in dcnv3_launches(64, 4, dtype, 56, backend)
        ],
    }
    for prefix, kernels in launches.items():
        for launch in kernels:
            ptx = compile_launch(launch, architecture).asm['ptx']
            name = prefix + launch.kernel.fn.__name__
            registers, spilled = assemble(ptx, architecture)
            print(f'// {name}: {registers} registers, {spilled} spilled')
            print(ptx)
