"""Compare the cost of M3I with other pre-trainings on the same backbone."""

import torch

from m3i_mm.benchmarks.measure import environment, markdown_table
from m3i_mm.benchmarks.pretraining import (
    Measurement,
    measure,
    method_models,
    synthetic_batch,
)
from m3i_mm.runs.arguments import (
    add_config_options,
    device,
    make_parser,
    whole_number,
)
from m3i_mm.runs.explain import errors_in_one_line
from m3i_mm.runs.reading import read_config


def print_report(measured: dict[str, Measurement]) -> None:
    """Print a table in Markdown, and where each step's time goes."""
    base = measured.get('supervised')
    rows = []
    for name, result in measured.items():
        row = {
            'method': name,
            'images/s': result.images_per_second,
            'GFLOP/image': result.flops_per_image / 1e9,
            'step GiB': result.peak_bytes / 2**30,
        }
        if base:
            share = result.images_per_second / base.images_per_second
            row['of supervised'] = share
        rows.append(row)
    columns = ['method', 'images/s', 'of supervised', 'GFLOP/image']
    print('\n' + markdown_table(rows, [*columns, 'step GiB']))
    for name, result in measured.items():
        total = sum(result.parts.values())
        shares = sorted(result.parts.items(), key=lambda part: -part[1])
        parts = ', '.join(f'{n} {s / total:.0%}' for n, s in shares)
        print(f'\n{name}: {parts}')


@errors_in_one_line()
def main() -> None:
    """Read the command line, measure and print."""
    parser = make_parser(
        __doc__ or '',
        '%(prog)s m3i_vit-base-p16_32xb128-amp-coslr-400e_in1k --batch-size 2',
    )
    parser.add_argument('config', help='config of an M3I on a ViT')
    parser.add_argument(
        '--methods', nargs='+', help='some of them (default: all)'
    )
    parser.add_argument(
        '--batch-size',
        type=whole_number(),
        default=64,
        help='(default: %(default)s)',
    )
    parser.add_argument(
        '--image-size',
        type=whole_number(),
        default=224,
        help='(default: %(default)s)',
    )
    parser.add_argument(
        '--steps',
        type=whole_number(),
        default=10,
        help='(default: %(default)s)',
    )
    parser.add_argument(
        '--device',
        type=device,
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='(default: %(default)s)',
    )
    parser.add_argument(
        '--dtype',
        choices=['bfloat16', 'float16', 'float32'],
        default='bfloat16',
        help='precision of the forward pass (default: %(default)s)',
    )
    add_config_options(parser)
    args = parser.parse_args()
    cfg = read_config(args.config, args.cfg_options)
    models = method_models(cfg, args.image_size)
    unknown = set(args.methods or ()) - set(models)
    if unknown:
        parser.error(f'unknown methods {sorted(unknown)}: {sorted(models)}')
    patch = cfg.model.backbone.get('patch_size', 16)
    batch = synthetic_batch(
        args.batch_size, args.image_size, patch, args.device
    )
    measured = {}
    for name in args.methods or models:
        measured[name] = measure(
            models[name], batch, args.device, args.dtype, args.steps
        )
        print(f'{name}: {measured[name].images_per_second:.1f} images/s')
    machine = environment(torch.device(args.device))
    print(
        f'\n{args.config}, batch {args.batch_size} of {args.image_size} px, '
        f'{args.dtype}; {machine}'
    )
    print_report(measured)


if __name__ == '__main__':
    main()
