"""The command line of ``tools/report.py``."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from m3i_mm.evaluation import evaluate_with_baselines, write_report
from m3i_mm.runs.arguments import output_file
from m3i_mm.runs.explain import errors_in_one_line

__all__ = ['evaluate_run', 'main_report', 'report_parser']


def report_parser() -> ArgumentParser:
    """Return the parser of ``tools/report.py``."""
    parser = ArgumentParser(
        description='Write one HTML file about one run, or several side by '
        'side.',
        formatter_class=RawDescriptionHelpFormatter,
        epilog='example:\n  m3i report work_dirs/demo --out report.html',
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
        RunFolderError: If the folder has no config or no checkpoint.
    """
    from m3i_mm.reports import RunFolderError, draw_run

    folder = Path(folder)
    configs = sorted(folder.glob('*.py'), key=lambda f: f.stat().st_mtime)
    last = folder / 'last_checkpoint'
    if not configs or not last.is_file():
        raise RunFolderError(
            f'{folder} has no config or no last_checkpoint: --evaluate needs '
            'the work folder of a run that saved one'
        )
    cfg = Config.fromfile(configs[-1])
    checkpoint = last.read_text().strip()
    results, trained = evaluate_with_baselines(cfg, checkpoint)
    write_report(
        results,
        folder / 'results.json',
        config=configs[-1].name,
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
