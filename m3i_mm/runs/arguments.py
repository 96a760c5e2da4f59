"""Arguments that several command lines share."""

from __future__ import annotations

import ast
from argparse import (
    ArgumentError,
    ArgumentParser,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction

__all__ = ['add_config_options', 'make_parser']


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
