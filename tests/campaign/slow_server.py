"""Train from a slow server; print the table of docs/benchmarks.md.

cd tests && python -m campaign.slow_server

The server of the tests answers after 50 ms and sends 20 MB/s on each
connection; a step of the training takes as long as it says. "When needed" is
the same source without reading ahead.
"""

import tempfile
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from toy.server import serve

from m3i_mm.benchmarks.shards import measure_loading, write_shards
from m3i_mm.datasets import ShardSource, SourceDataset


class OnDemand(ShardSource):
    """Copies each shard when its first sample is wanted."""

    def prefetch(self, chunks):
        """Read nothing ahead."""


def size_of(sample):
    """Pack the number of bytes, for the network is what is measured."""
    return dict(size=len(sample['img_bytes']))


def main():
    """Measure and print a table."""
    parser = ArgumentParser(
        prog='python -m campaign.slow_server',
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument('--shards', type=int, default=32)
    parser.add_argument('--pictures', type=int, default=1000)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--batches', type=int, default=900)
    parser.add_argument('--step', type=float, default=0.1, help='seconds')
    args = parser.parse_args()
    print('| shards | first batch, s | stalls | longest, s | stalled, s |')
    print('| --- | --- | --- | --- | --- |')
    with tempfile.TemporaryDirectory() as folder:
        write_shards(Path(folder), args.shards, args.pictures, (256, 352))
        for name, kind in (
            ('when needed', OnDemand),
            ('ahead', ShardSource),
        ):
            print(f'| {name} {row(Path(folder), kind, args)}', flush=True)


def row(folder, kind, args):
    """Measure one way of reading; a server of its own for each."""
    with serve(folder, latency=0.05, rate=20e6) as (url, _):
        names = [f'{url}/{path.name}' for path in sorted(folder.iterdir())]
        source = kind(names, samples_per_shard=args.pictures)
        cost = measure_loading(
            SourceDataset(source, [size_of]),
            args.workers,
            32,
            args.batches,
            args.step,
        )
    return (
        f'| {cost.first_seconds:.1f} | {cost.stalls} '
        f'| {cost.longest_seconds:.1f} | {cost.stalled_seconds:.1f} |'
    )


if __name__ == '__main__':
    main()
