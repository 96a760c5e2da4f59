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
from contextlib import suppress
from math import inf
from typing import Any, NoReturn

import torch
from mmengine.config import DictAction

from m3i_mm.utils.mistakes import MistakeExit

__all__ = [
    'add_config_options',
    'add_model_options',
    'device',
    'make_parser',
    'number',
    'output_file',
    'output_folder',
    'whole_number',
]


class _OneLineParser(ArgumentParser):
    """Says what is wrong with a command line, without its whole usage."""

    def error(self, message: str) -> NoReturn:
        raise MistakeExit(f'{message} (see {self.prog} --help)')


def make_parser(description: str, example: str) -> ArgumentParser:
    """Return a parser whose help ends with an example.

    Args:
        description (str): What the command does; its line breaks are kept.
        example (str): A command line that works.
    """
    return _OneLineParser(
        description=description,
        epilog=f'example:\n  {example}',
        formatter_class=RawDescriptionHelpFormatter,
    )


def number(
    least: float = -inf, most: float = inf, kind: type = float
) -> Callable[[str], Any]:
    """Return an argument type: a number in a range.

    Args:
        least (float): The smallest that is taken.
        most (float): The greatest that is taken.
        kind (type): ``float`` or ``int``.

    Returns:
        Callable: Gives the number; raises ``ArgumentTypeError``.
    """
    what = 'whole number' if kind is int else 'number'
    bounds = [f'of at least {least}'] * (least > -inf)
    bounds += [f'of at most {most}'] * (most < inf)
    wanted = ' '.join([what, ' and '.join(bounds)]).strip()

    def check(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError as error:
            raise ArgumentTypeError(f'{text!r} is no {what}') from error
        if not least <= value <= most:
            raise ArgumentTypeError(f'{text} is no {wanted}')
        return value

    return check


def whole_number(least: int = 1, most: float = inf) -> Callable[[str], Any]:
    """Return an argument type: a whole number in a range.

    Args:
        least (int): The smallest that is taken. Defaults to 1.
        most (float): The greatest that is taken.

    Returns:
        Callable: Gives the number; raises ``ArgumentTypeError``.
    """
    return number(least, most, int)


def device(text: str) -> str:
    """Check that an argument names a device that is there.

    Args:
        text (str): As of :class:`torch.device`.

    Raises:
        ArgumentTypeError: If it does not.
    """
    try:
        torch.empty(0, device=text)
    # torch raises AssertionError where it was built without CUDA
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        there = ['cpu']
        there += [f'cuda:{n}' for n in range(torch.cuda.device_count())]
        raise ArgumentTypeError(
            f'there is no device {text!r}; there is {", ".join(there)}'
        ) from error
    return text


def output_folder(path: str) -> str:
    """Check that an argument names a folder that can be written to.

    Args:
        path (str): The folder, which is made.

    Raises:
        ArgumentTypeError: If it is a file, or cannot be made or written to.
    """
    _make_folder(path, f'the folder {path!r}')
    if not os.access(path, os.W_OK):
        raise ArgumentTypeError(f'{path!r} cannot be written to')
    return path


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
        _make_folder(folder, f'the folder of {path!r}')
        if os.path.isdir(path) or not os.access(folder, os.W_OK):
            raise ArgumentTypeError(f'{path!r} cannot be written')
        return path

    return check


def _make_folder(folder: str, name: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise ArgumentTypeError(
            f'{name} cannot be made: {error.strerror}'
        ) from error


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
        except RecursionError as error:
            raise ArgumentError(
                self,
                f'{" ".join(values)} cannot be read: a dictionary in a list '
                "is written as \"[{'type': 'Adam'}]\"",
            ) from error

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        """Parse a value; MMEngine's parser knows no dictionaries."""
        if val.startswith('{'):
            return ast.literal_eval(val)
        if val.startswith(('[', '(')):
            with suppress(SyntaxError, ValueError):
                return ast.literal_eval(val)
        # words without quotes
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
    parser.add_argument(
        '--checkpoint',
        metavar='FILE',
        help="and its weights; a file of InternImage's authors (m3i configs "
        '--released) may stand alone by its name',
    )
    parser.add_argument(
        '--image-size',
        type=whole_number(),
        help='side of the square cut from the centre (default: as the config '
        'tests or trains)',
    )
    parser.add_argument(
        '--device',
        type=device,
        help='e.g. cpu or cuda:1 (default: what there is)',
    )
