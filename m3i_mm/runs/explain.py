"""Turn exceptions of a run into one line that names key, file or value.

While something is built from a config, whatever a constructor refuses is a
mistake in the config: the innermost ``build_from_cfg`` on the traceback tells
its place. Later, only errors that are written for users are translated; any
other exception is a fault of the program and keeps its traceback.
"""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from torch import nn

from m3i_mm.checkpoints.reading import CheckpointError
from m3i_mm.datasets.faults import DataError, SampleError
from m3i_mm.engine.hooks.data_report_hook import TooManyFaultsError
from m3i_mm.engine.nonfinite import NonFiniteLossError
from m3i_mm.models.pretrainers.batch import MissingInputError
from m3i_mm.utils.mistakes import MistakeExit
from m3i_mm.utils.names import near_names

from .config_check import ConfigError
from .dataset_errors import explain_dataset_error
from .unknown_types import explain_lookup, find_type, unknown_type

__all__ = [
    'USER_ERRORS',
    'errors_in_one_line',
    'explain_step',
    'explained_errors',
    'one_line',
    'tell_left_out',
]

# written for users: the message is all that they need
USER_ERRORS = (
    CheckpointError,
    ConfigError,
    DataError,
    MissingInputError,
    NonFiniteLossError,
    SampleError,
    TooManyFaultsError,
)
# what constructors raise over arguments that they cannot work with
_REFUSALS = (
    AssertionError,
    ImportError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    ValueError,
)
_UNEXPECTED = re.compile(
    r"(?:([\w.]+)\.)?(\w+)\(\) got an unexpected keyword argument '(\w+)'"
)
_OUT_OF_BOUNDS = re.compile(r'^Target (\d+) is out of bounds')
_NO_ENTRY = re.compile(r"'ConfigDict' object has no attribute '(\w+)'")
_NOT_REGISTERED = re.compile(r'(\S+) is not in the .*registry')
_MISSING = re.compile(
    r'(?:([\w.]+)\.)?(\w+)\(\) missing \d+ required .*argument\w*: (.+)'
)


@contextmanager
def explained_errors(cfg: Config) -> Iterator[None]:
    """Translate what is wrong with a config into one line.

    Args:
        cfg (Config): The config that is built and run, to find the place.

    Raises:
        ConfigError: Instead of the ``KeyError`` of a type that no registry
            holds, the ``TypeError`` of an argument that a type does not take
            or misses, what a constructor refuses, and whatever a data set
            raises over its annotations. Other exceptions pass unchanged.
    """
    try:
        yield
    except USER_ERRORS:
        raise
    except Exception as error:
        message = explain_dataset_error(error) or _explain(error, cfg)
        if message is None:
            raise
        raise ConfigError(message) from error


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End a command with one line over what its user named or configured.

    As a decorator of ``main`` or around a part of it. What a file, an argument
    or an optional package lacks is a mistake of the user; other exceptions are
    faults of the program and keep their traceback.

    Raises:
        MistakeExit: With the message.
    """
    try:
        yield
    except (*USER_ERRORS, OSError, ValueError, ImportError) as error:
        message = _explain_file(error) or one_line(error)
        raise MistakeExit(message) from error
    except AttributeError as error:
        lacking = _NO_ENTRY.search(str(error))
        if lacking is None:
            raise
        raise MistakeExit(
            f'the config has no entry {lacking[1]!r}, which this needs'
        ) from error


def tell_left_out(error: SampleError) -> None:
    """Say of which picture a command has no result.

    Args:
        error (SampleError): What is wrong with it.
    """
    print(f'left out: {one_line(error)}', file=sys.stderr)


def one_line(error: BaseException) -> str:
    """Return the message of an exception without its line breaks.

    Args:
        error (BaseException): The exception. One that comes from a worker of
            a loader carries the worker's traceback; its last line is taken.
    """
    text = str(error).strip()
    if text.startswith('Caught ') and 'DataLoader worker' in text:
        text = text.splitlines()[-1].partition(': ')[2] or text
    return ' '.join(text.split())


def _frames(error: BaseException) -> list[FrameType]:
    frames = []
    level = error.__traceback__
    while level is not None:
        frames.append(level.tb_frame)
        level = level.tb_next
    return frames


def _explain(error: Exception, cfg: Config) -> str | None:
    frames = _frames(error)
    builds = [
        frame.f_locals
        for frame in frames
        if frame.f_code.co_name == 'build_from_cfg'
        and 'obj_type' in frame.f_locals
    ]
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return (
            'the device has too little memory: take a smaller '
            'train_dataloader.batch_size, --amp, or with_cp in the backbone'
        )
    out_of_bounds = _OUT_OF_BOUNDS.search(str(error))
    if isinstance(error, IndexError) and out_of_bounds:
        return (
            f'a label is {out_of_bounds[1]}, and the head has no class of '
            'that number: set num_classes of the head in model'
        )
    lacking = explain_lookup(frames, cfg)
    if lacking:
        return lacking
    inner = builds[-1] if builds else {}
    if isinstance(inner.get('obj_type'), str) and inner.get('obj_cls') is None:
        registry, name = inner['registry'], inner['obj_type']
        place = find_type(cfg, name) or f'a {registry.name!r} registry'
        return unknown_type(place, name, registry)
    if isinstance(error, TypeError):
        called = _explain_call(error, frames, builds, cfg)
        if called:
            return called
    unregistered = _NOT_REGISTERED.match(str(error).strip('\'"'))
    if not builds and unregistered:
        return f'there is no type {unregistered[1]!r}'
    if not builds:
        return (
            _explain_optimizer(error, frames)
            or _explain_metric(error, frames)
            or _explain_file(error)
        )
    if not isinstance(error, (*_REFUSALS, TypeError)):
        return None
    if 'obj_type' not in inner:
        return None
    place = find_type(cfg, inner['obj_type']) or _name(inner['obj_type'])
    return f'{place}: {_refusal(error)}'


def _explain_optimizer(
    error: Exception, frames: list[FrameType]
) -> str | None:
    """Describe what the constructor of optimizers refuses in a model.

    It is called with the model after it was built from the config.
    """
    last = [frame.f_code.co_name for frame in frames]
    refused = isinstance(error, (*_REFUSALS, TypeError))
    if refused and 'build_optim_wrapper' in last:
        return f'optim_wrapper: {_refusal(error)}'
    return None


def _explain_metric(error: Exception, frames: list[FrameType]) -> str | None:
    """Describe what a metric refuses: more classes than there are ..."""
    if not isinstance(error, (AssertionError, KeyError, ValueError)):
        return None
    for frame in frames:
        metric = frame.f_locals.get('self')
        evaluates = frame.f_code.co_name == 'evaluate'
        if evaluates and isinstance(metric, BaseMetric):
            return f'the metric {type(metric).__name__}: {_refusal(error)}'
    return None


def _refusal(error: Exception) -> str:
    if isinstance(error, KeyError):
        # a missing key, or a sentence in the place of one
        missing = str(error.args[0]) if error.args else ''
        return missing if ' ' in missing else f'there is no {one_line(error)}'
    return one_line(error) or _source_line(error)


def _source_line(error: BaseException) -> str:
    """Return what raised an exception without a message."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f'{type(error).__name__} at {last.line!r} of {last.name}'


def explain_step(error: Exception, model: nn.Module) -> str:
    """Describe an exception of a training step by the module it is from.

    Args:
        error (Exception): What none of the other functions knows.
        model (nn.Module): The model that was trained.

    Returns:
        str: One line.
    """
    names = {id(module): name for name, module in model.named_modules()}
    modules = [
        frame.f_locals['self']
        for frame in _frames(error)
        if id(frame.f_locals.get('self')) in names
    ]
    place = 'a step'
    if modules:
        name = '.'.join(filter(None, ('model', names[id(modules[-1])])))
        place = f'{name} ({type(modules[-1]).__name__})'
    text = one_line(error)
    said = f'{type(error).__name__}: {text}' if text else _source_line(error)
    return f'{place} fails: {said}'


def _explain_file(error: BaseException) -> str | None:
    if isinstance(error, UnicodeEncodeError):
        return f'{error.object!a} is not in UTF-8: give the file another name'
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f'{error.filename}: {error.strerror.lower()}'
    return None


def _explain_call(
    error: TypeError,
    frames: list[FrameType],
    builds: list[dict[str, Any]],
    cfg: Config,
) -> str | None:
    """Describe an argument that a callable does not take, or misses."""
    text = str(error)
    unexpected, missing = _UNEXPECTED.search(text), _MISSING.search(text)
    match = unexpected or missing
    if match is None:
        return None
    name = match[1].split('.')[-1] if match[1] else match[2]
    called = _called(name, frames[-1], builds)
    if unexpected is None:
        place = find_type(cfg, builds[-1]['obj_type']) if builds else None
        return f'{place or name}: {name} needs {match[3]}'
    key = unexpected[3]
    place = None
    if builds and key in builds[-1]['args']:
        place = find_type(cfg, builds[-1]['obj_type'], key)
    place = place or find_type(cfg, None, key)
    if place is None:
        return None
    return f'{place}: {name} takes no argument {key!r}.' + near_names(
        key, _parameters(called)
    )


def _called(
    name: str, frame: FrameType, builds: list[dict[str, Any]]
) -> Any | None:
    """Return what was called, by its name in a message of Python."""
    for build in reversed(builds):
        built = build.get('obj_cls')
        for base in getattr(built, '__mro__', [built]):
            if getattr(base, '__name__', None) == name:
                return built
    return frame.f_globals.get(name)


def _parameters(called: Any | None) -> set[str]:
    """Return the arguments that a function, or a class and its bases, take."""
    functions = [called] if called is not None else []
    if inspect.isclass(called):
        functions = [vars(base).get('__init__') for base in called.__mro__]
    names: set[str] = set()
    for function in filter(inspect.isfunction, functions):
        names |= set(inspect.signature(function).parameters)
    return names - {'self', 'args', 'kwargs'}


def _name(built: Any) -> str:
    return built if isinstance(built, str) else built.__name__
