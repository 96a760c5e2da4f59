"""Read a data set once: counts, sizes, broken files, texts, duplicates."""

from __future__ import annotations

import argparse
import json

from mmengine.registry import DATASETS

from m3i_mm.datasets.converters.check import check_source
from m3i_mm.datasets.converters.inputs import (
    KINDS,
    one_line_errors,
    open_source,
)
from m3i_mm.datasets.sources import Source
from m3i_mm.runs.arguments import (
    add_config_options,
    make_parser,
    output_file,
    whole_number,
)
from m3i_mm.runs.config_check import ConfigError
from m3i_mm.runs.reading import read_config


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__ or '', 'm3i data check photos')
    parser.add_argument(
        'path',
        help='folder, list, pattern of shards, or a training config (.py), '
        'of which all sources are checked',
    )
    parser.add_argument(
        '--kind',
        choices=sorted(KINDS),
        help='what the path is (default: by its suffix)',
    )
    add_config_options(
        parser,
        '--source-options',
        'settings of the source, key=value: root=images text=caption',
    )
    parser.add_argument(
        '--text', default='text', help='field of texts (default: %(default)s)'
    )
    parser.add_argument(
        '--label',
        default='label',
        help='field of class numbers (default: %(default)s)',
    )
    parser.add_argument(
        '--workers',
        type=whole_number(),
        default=1,
        help='processes that read (default: %(default)s)',
    )
    parser.add_argument(
        '--out',
        type=output_file('.json'),
        metavar='FILE',
        help='write the report as JSON',
    )
    return parser.parse_args()


def find_sources(args: argparse.Namespace) -> list[Source]:
    """Open what the command line names."""
    if not args.path.endswith('.py'):
        return [open_source(args.path, args.kind, **args.source_options)]
    cfg = read_config(args.path)
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    parts = dataset.get('datasets', [dataset])
    if not all('source' in part for part in parts):
        raise ConfigError(
            f'{args.path}: train_dataloader.dataset has no source that could '
            'be read; m3i check tries configs of other data sets'
        )
    return [DATASETS.build(part.source) for part in parts]


@one_line_errors()
def main() -> None:
    """Check the sources and print the report."""
    args = parse_args()
    reports = {
        source.name: check_source(source, args.workers, args.text, args.label)
        for source in find_sources(args)
    }
    for name, report in reports.items():
        print(f'{name}:')
        for key, value in report.items():
            shown = value[:5] if isinstance(value, list) else value
            count = f' ({len(value)})' if isinstance(value, list) else ''
            print(f'  {key}{count}: {shown}')
    if args.out:
        with open(args.out, 'w', encoding='utf-8') as file:
            json.dump(reports, file, indent=1)


if __name__ == '__main__':
    main()
