"""The config that a training checkpoint carries, read but not executed.

MMEngine writes it as Python text. Nothing but literals, ``dict(...)``,
``list`` and ``tuple`` displays is understood here, so a foreign file cannot
run code.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from .errors import CheckpointError

__all__ = ['recorded_config']


def recorded_config(content: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Read the config in the meta data of a checkpoint.

    Args:
        content (Mapping): What :func:`.reading.read_checkpoint` returns.
        path (str): Where it was read from, for the error.

    Returns:
        dict: The variables of the config by name.

    Raises:
        CheckpointError: If there is none, or it is no plain config.
    """
    text = content.get('meta', {}).get('cfg')
    if not isinstance(text, str):
        raise CheckpointError(
            f'{path} does not say by which config it was trained (meta.cfg): '
            'give a training checkpoint, as epoch_10.pth in a work_dir'
        )
    try:
        statements = ast.parse(text).body
        return {
            target.id: _value(statement.value)
            for statement in statements
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
    except (SyntaxError, ValueError) as error:
        raise CheckpointError(
            f'The config in {path} is not one that MMEngine wrote: {error}'
        ) from error


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        if ast.unparse(node.func) != 'dict' or node.args:
            raise ValueError(f'{ast.unparse(node)[:60]!r} is no setting')
        return {
            str(keyword.arg): _value(keyword.value)
            for keyword in node.keywords
        }
    if isinstance(node, ast.Dict):
        return {
            ast.literal_eval(key): _value(value)
            for key, value in zip(node.keys, node.values, strict=True)
            if key is not None
        }
    if isinstance(node, ast.List):
        return [_value(element) for element in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(element) for element in node.elts)
    return ast.literal_eval(node)
