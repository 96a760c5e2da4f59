"""Print both DCNv3 kernels as PTX for an architecture, without a GPU."""

import sys

import triton
from ptxas import assemble
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from m3i_mm.ops.deform_conv_v3 import triton_kernels

CONSTANTS = dict(
    KERNEL_SIZE=3,
    STRIDE=1,
    DILATION=1,
    ORIGIN=0,
    OFFSET_SCALE=1.0,
    REMOVE_CENTER=False,
    TAPS=9,
    GROUPS=4,
    GROUP_CHANNELS=16,
    BLOCK_CHANNELS=16,
    WIDE_INDEX=False,
    COMPUTE=triton_kernels.tl.float32,
    PACKED=True,
    PACKED_OFFSET=True,
    INPUT_GRADIENT=True,
    POINTS_GRADIENT=True,
)


# as triton_backend launches them
TILES = dict(forward_kernel=2048, backward_kernel=1024)


def compile_kernel(name, architecture):
    """Compile for bfloat16 tensors that are aligned, as PyTorch's are."""
    function = getattr(triton_kernels, name)
    values = CONSTANTS | dict(TILE=TILES[name])
    signature, constants, aligned = {}, {}, {}
    for position, name in enumerate(function.arg_names):
        if name in values:
            signature[name] = 'constexpr'
            constants[(position,)] = values[name]
        elif name.endswith('_ptr'):
            is_sum = name == 'grad_input_ptr'
            signature[name] = '*fp32' if is_sum else '*bf16'
            aligned[(position,)] = [['tt.divisibility', 16]]
        else:
            signature[name] = 'i32'
    return triton.compile(
        ASTSource(function, signature, constants, aligned),
        target=GPUTarget('cuda', architecture, 32),
        options={'num_warps': 4},
    ).asm['ptx']


if __name__ == '__main__':
    architecture = int(sys.argv[1])
    for name in TILES:
        ptx = compile_kernel(name, architecture)
        registers, spilled = assemble(ptx, architecture)
        print(f'// {name}: {registers} registers, {spilled} bytes spilled')
        print(ptx)
