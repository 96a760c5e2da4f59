"""Arguments that several command lines share."""

from __future__ import annotations

import ast
import os
from argparse import (
    ArgumentError,
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Callable, Sequence
from typing import Any

from mmengine.config import DictAction

__all__ = [
    'add_config_options',
    'add_model_options',
    'make_parser',
    'output_file',
]


def make_parser(description: str, example: str) -> ArgumentParser:
    """Return a parser whose help ends with an example.

    Args:
        description (str): What the command does; its line breaks are kept.
        example (str): A command line that works.
    """
    return ArgumentParser(
        description=description,
        epilog=f'example:\n  {example}',
        formatter_class=RawDescriptionHelpFormatter,
    )


def output_file(*suffixes: str) -> Callable[[str], str]:
    """Return an argument type: a file to write, checked before hours of work.

    Args:
        *suffixes (str): What its name may end in, e.g. ``'.json'``.

    Returns:
        Callable: Makes the folder and gives the path back; raises
        ``ArgumentTypeError`` if the name ends otherwise or the folder cannot
        be written to.
    """

    def check(path: str) -> str:
        if not path.endswith(suffixes):
            raise ArgumentTypeError(
                f'{path!r} must end in {" or ".join(suffixes)}'
            )
        folder = os.path.dirname(os.path.abspath(path))
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise ArgumentTypeError(
                f'the folder of {path!r} cannot be made: {error.strerror}'
            ) from error
        if os.path.isdir(path) or not os.access(folder, os.W_OK):
            raise ArgumentTypeError(f'{path!r} cannot be written')
        return path

    return check


class _KeyValue(DictAction):
    """MMEngine's ``KEY=VALUE``, which says what is wrong with one."""

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        for value in values:
            if not value.partition('=')[0].strip() or '=' not in value:
                raise ArgumentError(
                    self, f'{value!r} is no KEY=VALUE, as in data_root=photos'
                )
        try:
            super().__call__(parser, namespace, values, option_string)
        except (AssertionError, SyntaxError, ValueError) as error:
            raise ArgumentError(self, str(error)) from error

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        """Parse a value; MMEngine's parser makes lists of dictionaries."""
        if val.startswith('{'):
            return ast.literal_eval(val)
        return DictAction._parse_iterable(val)


def add_config_options(
    parser: ArgumentParser,
    name: str = '--cfg-options',
    text: str = 'override entries of the config, as data_root=photos, '
    'optim_wrapper.optimizer.lr=1e-3, key="[(a,b),(c,d)]" or '
    'key="{\'a\': 1}"',
) -> None:
    """Add an option for pairs ``KEY=VALUE``, parsed into a dict.

    Args:
        parser (ArgumentParser): Gets the option.
        name (str): Name of the option. Defaults to ``'--cfg-options'``.
        text (str): Its help.
    """
    default: dict[str, Any] = {}
    parser.add_argument(
        name,
        nargs='+',
        action=_KeyValue,
        default=default,
        metavar='KEY=VALUE',
        help=text,
    )


def add_model_options(parser: ArgumentParser) -> None:
    """Add what names a trained model, by its run or by its files.

    Args:
        parser (ArgumentParser): Gets the options; see
            :func:`m3i_mm.runs.run_folder.model_of`.
    """
    parser.add_argument(
        '--run', metavar='RUN', help='work folder of the training'
    )
    parser.add_argument('--config', help='in its place: config of the model')
    parser.add_argument('--checkpoint', help='and its weights')
    parser.add_argument(
        '--image-size',
        type=int,
        help='side of the square cut from the centre (default: as the config '
        'tests or trains)',
    )
    parser.add_argument('--device', help='e.g. cpu (default: what there is)')
