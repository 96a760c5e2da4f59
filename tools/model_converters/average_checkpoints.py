"""Average the weights of several checkpoints of one training."""

from argparse import ArgumentParser

from m3i_mm.checkpoints.publishing import average_checkpoints
from m3i_mm.runs.explain import errors_in_one_line


@errors_in_one_line()
def main() -> None:
    """Read the command line and average."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('checkpoints', nargs='+', help='two files or more')
    parser.add_argument('--out', required=True, help='the averaged weights')
    args = parser.parse_args()
    if len(args.checkpoints) < 2:
        parser.error('an average needs at least two checkpoints')
    average_checkpoints(args.checkpoints, args.out)


if __name__ == '__main__':
    main()
