"""Compile the kernels of add_norm for an architecture, without a GPU.

Prints for each what ptxas says of registers and spills.
"""

import sys

import triton
from ptxas import assemble
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from m3i_mm.ops.add_norm import triton_kernels

NORM = dict(NORM=True, OUT=True, SUMS=2)
BRANCH = dict(BRANCH=True, KEEP=True)
ALL = dict(BRANCH_NORM=True, SCALE=True, SUMS=5)
# as in InternImage-T, -B, -H and -G, and GELU
VARIANTS = {
    'input': NORM,
    'gelu': NORM | dict(GELU=True),
    'join': NORM | BRANCH,
    'after': BRANCH | dict(BRANCH_NORM=True, SCALE=True, SUMS=3),
    'all': NORM | BRANCH | ALL,
}
FLAGS = ('BRANCH', 'BRANCH_NORM', 'SCALE', 'KEEP', 'NORM', 'OUT', 'GELU')
PARTS = dict(
    branch='BRANCH',
    grad_branch='BRANCH',
    branch_weight='BRANCH_NORM',
    branch_bias='BRANCH_NORM',
    scale='SCALE',
    keep='KEEP',
    weight='NORM',
    bias='NORM',
    out='OUT',
    grad_out='OUT',
    grad_x='OUT',
)
HALF = ('branch', 'grad_branch', 'out', 'grad_out')


def compile_variant(kernel, architecture, channels, variant):
    """Return the PTX for a float32 stream and bfloat16 branches."""
    block = triton.next_power_of_2(channels)
    rows = max(1, 1024 // block)
    values = dict.fromkeys(FLAGS, False) | dict(
        CHANNELS=channels,
        BLOCK_CHANNELS=block,
        BLOCK_ROWS=rows,
        COMPUTE=triton_kernels.tl.float32,
        WIDE_INDEX=False,
        GRAD_SUM=not variant.get('GELU', False),
        SUMS=0,
    )
    values |= variant
    signature, constants, aligned = {}, {}, {}
    for position, name in enumerate(kernel.arg_names):
        part = name.removesuffix('_ptr')
        if name in values:
            signature[name] = 'constexpr'
            constants[(position,)] = values[name]
        elif not values.get(PARTS.get(part, ''), True):
            signature[name] = 'constexpr'
            constants[(position,)] = None
        elif name.endswith('_ptr'):
            signature[name] = '*bf16' if part in HALF else '*fp32'
            aligned[(position,)] = [['tt.divisibility', 16]]
        else:
            signature[name] = 'fp32' if 'eps' in name else 'i32'
    return triton.compile(
        ASTSource(kernel, signature, constants, aligned),
        target=GPUTarget('cuda', architecture, 32),
        options={'num_warps': min(16, max(4, block * rows // 512))},
    ).asm['ptx']


if __name__ == '__main__':
    architecture = int(sys.argv[1])
    for channels in map(int, sys.argv[2:]):
        for name, variant in VARIANTS.items():
            for kernel in ('forward_kernel', 'backward_kernel'):
                ptx = compile_variant(
                    getattr(triton_kernels, kernel),
                    architecture,
                    channels,
                    variant,
                )
                registers, spilled = assemble(ptx, architecture)
                print(channels, name, kernel, registers, spilled)
