"""``m3i COMMAND ...`` and ``python -m m3i_mm COMMAND ...``.

A command is a function of the package, or the ``main`` of a script of
``tools/``, which wheels carry. Either is imported when it is asked for.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple

import m3i_mm
from m3i_mm.utils.mistakes import MistakeExit
from m3i_mm.utils.names import near_names

__all__ = ['COMMANDS', 'Command', 'main']


class Command(NamedTuple):
    """A command.

    Attributes:
        place (str): ``module:function`` of the package, or a script below
            ``tools/``.
        help (str): What it does, in a few words.
    """

    place: str
    help: str


COMMANDS = {
    'pretrain': Command(
        'commands.pretrain:main', 'from pictures to a backbone'
    ),
    'train': Command(
        'runs.cli:main_train', 'pre-train or fine-tune the model'
    ),
    'test': Command('runs.cli:main_test', 'evaluate a checkpoint'),
    'embed': Command('commands.embed:main', 'write the features of pictures'),
    'predict': Command(
        'visualization/predict.py', 'classify, detect or segment pictures'
    ),
    'search': Command(
        'commands.search:main', 'find pictures by words or by a picture'
    ),
    'export': Command('export.py', 'write ONNX or torch.export'),
    'publish': Command(
        'model_converters/publish_model.py',
        'write one encoder of a training checkpoint',
    ),
    'check': Command(
        'commands.check:main', 'find what would go wrong in a training'
    ),
    'report': Command(
        'commands.report:main_report', 'write one HTML file about runs'
    ),
    'configs': Command(
        'commands.configs:main', 'list the configs, or print one'
    ),
    'data check': Command(
        'dataset_converters/check_dataset.py', 'read a data set once'
    ),
    'data to-shards': Command(
        'dataset_converters/to_shards.py', 'pack pictures into shards'
    ),
    'data from-shards': Command(
        'dataset_converters/from_shards.py', 'unpack shards'
    ),
}


def usage() -> str:
    """Return the help of the command as a whole."""
    width = max(map(len, COMMANDS))
    lines = [f'  {name:{width}}  {c.help}' for name, c in COMMANDS.items()]
    return '\n'.join(
        [
            'usage: m3i COMMAND ...',
            '',
            'M3I Pre-training and InternImage. COMMAND is one of',
            '',
            *lines,
            '',
            '`m3i COMMAND --help` explains one, with an example.',
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command.

    Args:
        arguments (Sequence[str] | None): The command line after ``m3i``.
            Defaults to that of the process.

    Raises:
        SystemExit: With a status or a message, unless all went well.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    # names of files need not be in the encoding of the terminal
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors='backslashreplace')
    if not words or words[0] in ('-h', '--help'):
        print(usage())
        return
    if words[0] == '--version':
        print(f'm3i_mm {m3i_mm.__version__} ({m3i_mm.OPENMMLAB_LINE})')
        return
    name, rest = _split(words)
    command = COMMANDS[name]
    former = sys.argv
    # argparse names the program by it
    sys.argv = [f'm3i {name}', *rest]
    try:
        if command.place.endswith('.py'):
            root = Path(m3i_mm.__file__).resolve().parent / '.mim' / 'tools'
            runpy.run_path(str(root / command.place))['main']()
        else:
            module, function = command.place.split(':')
            getattr(import_module(f'm3i_mm.{module}'), function)(rest)
    finally:
        sys.argv = former


def _split(words: list[str]) -> tuple[str, list[str]]:
    """Split a command line into the command and its arguments."""
    for length in (2, 1):
        name = ' '.join(words[:length])
        if name in COMMANDS:
            return name, words[length:]
    asked = ' '.join(words[:2]) if words[0] == 'data' else words[0]
    raise MistakeExit(
        f'm3i has no command {asked!r}.{near_names(asked, COMMANDS)} '
        '`m3i --help` lists them.'
    )
