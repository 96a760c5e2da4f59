"""Average the weights of several checkpoints of one training."""

from m3i_mm.checkpoints.publishing import average_checkpoints
from m3i_mm.runs.arguments import make_parser, output_file
from m3i_mm.runs.explain import errors_in_one_line


@errors_in_one_line()
def main() -> None:
    """Read the command line and average."""
    parser = make_parser(
        __doc__ or '', '%(prog)s epoch_1.pth epoch_2.pth --out average.pth'
    )
    parser.add_argument('checkpoints', nargs='+', help='two files or more')
    parser.add_argument(
        '--out',
        type=output_file('.pth', '.safetensors'),
        metavar='FILE',
        required=True,
        help='the averaged weights',
    )
    args = parser.parse_args()
    if len(args.checkpoints) < 2:
        parser.error('an average needs at least two checkpoints')
    average_checkpoints(args.checkpoints, args.out)


if __name__ == '__main__':
    main()
