"""Try runs against kills and faults; print the table of docs/reliability.md.

cd tests && python -m campaign --tries 10 --seed 1
cd tests && python -m campaign kill_one damage --tries 3
"""

import random
import sys
import tempfile
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from .scenarios import SCENARIOS


def main() -> None:
    """Run the scenarios and print a row for each."""
    parser = ArgumentParser(
        prog='python -m campaign',
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'scenarios',
        nargs='*',
        metavar='SCENARIO',
        help=f'default: all of {", ".join(SCENARIOS)}',
    )
    parser.add_argument('--tries', type=int, default=10)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    print('| what happens | what should | tries | held | hung |')
    print('| --- | --- | --- | --- | --- |', flush=True)
    failed = False
    for name in args.scenarios or SCENARIOS:
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            rng = random.Random(f'{args.seed} {name}')
            row = SCENARIOS[name](Path(folder), args.tries, rng)
        print(
            f'| {row.name} | {row.right} | {row.tried} | {row.held} '
            f'| {row.hung} |',
            flush=True,
        )
        print(f'{name}: {time.monotonic() - begin:.0f} s', file=sys.stderr)
        for note in row.notes:
            print(f'  {note}', file=sys.stderr)
        failed |= row.held < row.tried
    raise SystemExit(failed)


if __name__ == '__main__':
    main()
