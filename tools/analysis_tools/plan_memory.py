"""Print the parameters of an M3I and the memory that training it takes."""

from m3i_mm.benchmarks.memory_plan import STRATEGIES, plan_memory
from m3i_mm.runs.arguments import add_config_options, make_parser, whole_number
from m3i_mm.runs.explain import errors_in_one_line
from m3i_mm.runs.reading import read_config

GIB = 1 << 30


@errors_in_one_line()
def main() -> None:
    """Read the command line, plan and print."""
    parser = make_parser(
        __doc__ or '',
        '%(prog)s m3i_vit-base-p16_32xb128-amp-coslr-400e_in1k --devices 8',
    )
    parser.add_argument('config', help='config of a pre-training')
    parser.add_argument(
        '--devices',
        type=whole_number(),
        default=8,
        help='(default: %(default)s)',
    )
    parser.add_argument(
        '--strategies',
        nargs='+',
        choices=STRATEGIES,
        default=STRATEGIES,
        help='how the model is spread over them (default: all)',
    )
    parser.add_argument(
        '--batch-size',
        type=whole_number(),
        help='images per device (default: that of the config)',
    )
    parser.add_argument(
        '--image-size',
        type=whole_number(),
        default=224,
        help='(default: %(default)s)',
    )
    add_config_options(parser)
    args = parser.parse_args()
    cfg = read_config(args.config, args.cfg_options)
    for number, strategy in enumerate(args.strategies):
        parts, plan = plan_memory(
            cfg, args.devices, strategy, args.batch_size, args.image_size
        )
        if number == 0:
            for name, count in parts.items():
                print(f'{name:18} {count / 1e6:9.1f} M parameters')
            print(f'\nGiB on each of {args.devices} devices')
            print('         weights gradients optimizer activations   total')
        values = (plan.weights, plan.gradients, plan.optimizer)
        print(
            f'{strategy:8}'
            + ''.join(f'{value / GIB:8.1f}  ' for value in values)
            + f'{plan.activations / GIB:9.1f} {plan.total / GIB:9.1f}'
        )


if __name__ == '__main__':
    main()
