"""The command line of ``tools/report.py``."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from m3i_mm.evaluation import evaluate_with_baselines, write_report
from m3i_mm.runs.arguments import make_parser, output_file
from m3i_mm.runs.explain import errors_in_one_line
from m3i_mm.runs.reading import read_config
from m3i_mm.runs.run_folder import find_run

__all__ = ['evaluate_run', 'main_report', 'report_parser']


def report_parser() -> ArgumentParser:
    """Return the parser of ``tools/report.py``."""
    parser = make_parser(
        'Write one HTML file about one run, or several side by side.',
        'm3i report work_dirs/demo --out report.html',
    )
    parser.add_argument('runs', nargs='+', metavar='RUN', help='work folder')
    parser.add_argument(
        '--out',
        type=output_file('.html'),
        metavar='FILE',
        help='HTML file to write (default: report.html in the first folder)',
    )
    parser.add_argument(
        '--evaluate',
        action='store_true',
        help='first evaluate the last checkpoint of every run beside chance, '
        'raw pixels and random weights, and draw what it finds; for configs '
        'with FeatureEvalLoop',
    )
    return parser


def evaluate_run(folder: str | Path) -> None:
    """Write ``results.json`` and the pictures of a report into a run's folder.

    Args:
        folder (str | Path): Work folder of a run.

    Raises:
        ConfigError: If the folder has no config or no checkpoint.
    """
    from m3i_mm.reports import draw_run

    folder = Path(folder)
    config, checkpoint = find_run(folder)
    cfg = read_config(config)
    results, trained = evaluate_with_baselines(cfg, checkpoint)
    write_report(
        results,
        folder / 'results.json',
        config=Path(config).name,
        checkpoint=checkpoint,
    )
    draw_run(cfg, trained, folder)


def main_report(arguments: Sequence[str] | None = None) -> None:
    """Run ``tools/report.py``.

    Args:
        arguments (Sequence[str] | None): The command line. Defaults to that
            of the process.

    Raises:
        SystemExit: With one line, if a folder is not that of a run.
    """
    from m3i_mm.reports import write_html_report

    args = report_parser().parse_args(arguments)
    with errors_in_one_line():
        if args.evaluate:
            for run in args.runs:
                evaluate_run(run)
        out = args.out or Path(args.runs[0]) / 'report.html'
        print(write_html_report(args.runs, out))
