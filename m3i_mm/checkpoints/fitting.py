"""Whether the tensors of a file are those of a model: the one comparison.

::

    content of a file -- weights_of -- names without DDP's, EMA's ... wrappings
        -- align -- with the prefix that the model's names have
        -- the model's load hooks -- renamed, resized
        -- compare -- matched, lacking, of another shape, left over

Whatever loads weights asks :func:`fit_weights` and :meth:`Fit.require`.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, cast

import torch
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel

from .comparing import Comparison, compare
from .errors import CheckpointError
from .released import find_released

__all__ = [
    'ENCODER',
    'TEACHER',
    'Fit',
    'fit_weights',
    'weights_of',
]

# the parts of a model that compute its features
ENCODER = ('backbone', 'neck')
# by these words a momentum network is told from the trained one beside it
TEACHER = re.compile(r'(^|[._])(mm|momentum|ema|teacher|target)([._]|$)')
_WRAPPERS = re.compile(
    r'^(?:(?:module|_orig_mod|_fsdp_wrapped_module)\.)+'
    r'|(?<=\.)(?:_orig_mod|_fsdp_wrapped_module'
    r'|_checkpoint_wrapped_module)\.'
)


def weights_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Find the weights in what a file holds.

    Args:
        content (Mapping): Content of a file: a state dict, or what has one
            under ``state_dict``. Where MMEngine's ``EMAHook`` was used that
            is the average; a file with ``ema_state_dict`` alone is read too.

    Returns:
        dict[str, Any]: The entries by name, without the prefixes that DDP,
        ``torch.compile`` and FSDP put in front.
    """
    for key in ('state_dict', 'ema_state_dict'):
        if isinstance(content.get(key), Mapping):
            content = content[key]
            break
    return {
        _WRAPPERS.sub('', name): value
        for name, value in content.items()
        if isinstance(name, str)
    }


@dataclasses.dataclass
class Fit:
    """How the weights of a file fit a model.

    Attributes:
        name (str): Class of the model.
        weights (dict[str, Any]): What ``load_state_dict`` of the model takes.
        comparison (Comparison): Of the model's tensors with those.
        own (dict[str, Tensor]): The model's tensors.
        tensors (dict[str, Any]): What will be written into them.
        error (str): What a load hook of the model said, if it refused.
    """

    name: str
    weights: dict[str, Any]
    comparison: Comparison
    own: dict[str, Tensor]
    tensors: dict[str, Any]
    error: str = ''

    @property
    def unfit(self) -> list[str]:
        """Names of weights that would stay as initialised.

        Counters and indices, which are integers, are not random.
        """
        names = (*self.comparison.lacking, *self.comparison.unequal)
        return [n for n in names if self.own[n].is_floating_point()]

    @property
    def complete(self) -> bool:
        """Whether all weights of the model are in the file."""
        return not self.unfit

    def require(
        self,
        source: str,
        *,
        parts: Collection[str] = (),
        new_weights: Collection[str] = (),
        new_classes: bool = False,
        advice: str = '',
    ) -> list[str]:
        """Refuse a file that leaves weights random; log what it fills.

        Args:
            source (str): The file, for messages.
            parts (Collection[str]): Prefixes of the names that have to be in
                the file; without any, all have to be.
            new_weights (Collection[str]): Names, prefixes or shell patterns
                of weights that are meant to start anew.
            new_classes (bool): Whether rows of classes outside the encoder
                may be of another number; these weights start anew.
            advice (str): What to do if the file does not fit.

        Returns:
            list[str]: Names of the weights that start anew.

        Raises:
            CheckpointError: If nothing fits, or one of the weights that have
                to be in the file is not, or differs in shape.
        """
        if isinstance(new_weights, str):
            new_weights = (new_weights,)
        unfit = self.unfit
        allowed = {n for n in unfit if _is_among(n, new_weights)}
        if parts:
            allowed |= {n for n in unfit if not _is_among(n, parts)}
        if new_classes:
            allowed |= self._class_rows()
        wrong = [name for name in unfit if name not in allowed]
        if wrong or (self.own and not self.comparison.matched):
            raise CheckpointError(self._refusal(source, wrong, advice))
        self._report(source, unfit)
        return unfit

    def apply(self) -> None:
        """Write what fits into the model."""
        with torch.no_grad():
            for name in self.comparison.matched:
                self.own[name].copy_(self.tensors[name])

    def _class_rows(self) -> set[str]:
        """Weights of heads that differ in their number of rows alone."""
        wanted, given = self.comparison.wanted, self.comparison.given
        return {
            name
            for name in self.comparison.unequal
            if not _is_among(name, ENCODER)
            and len(wanted[name]) == len(given[name])
            and wanted[name][1:] == given[name][1:]
        }

    def _refusal(self, source: str, wrong: list[str], advice: str) -> str:
        matched = len(self.comparison.matched)
        text = (
            f'The checkpoint is of another model: {source} fits {matched} of '
            f'{len(self.own)} weights of {self.name}; '
            f'{self.comparison.describe(wrong)}'
        )
        first = ', '.join(list(self.weights)[:3]) or 'none'
        text = f'{text}. The first names there: {first}'
        if self.error:
            text = f'{text}. {self.error}'
        released = find_released(source)
        if released is not None:
            text = f'{text}. It is {released.describe()}'
        return f'{text}. {advice}' if advice else text

    def _report(self, source: str, unfit: list[str]) -> None:
        # MMDetection 2 flattens the names of a moving average: ema_a_b_c
        left = Counter(
            'ema_*' if name.startswith('ema_') else name.split('.')[0]
            for name in self.comparison.left_over
        )
        listed = ', '.join(f'{part} ({count})' for part, count in left.items())
        print_log(
            f'{source}: {len(self.comparison.matched)} of {len(self.own)} '
            f'tensors of {self.name} matched; unused: {listed or "nothing"}',
            logger='current',
        )
        if unfit:
            print_log(
                f'{source}: {len(unfit)} weights of {self.name} start anew; '
                f'{self.comparison.describe(unfit)}',
                logger='current',
                level=logging.WARNING,
            )


def fit_weights(
    model: nn.Module, content: Mapping[str, Any], prefix: str | None = None
) -> Fit:
    """Hold what a file has against a model.

    The names may be those of the model, of a larger one of which it is a part
    (``backbone.`` in front), or of a part of it. The model's own load hooks
    rename and resize, as when it loads. Nothing is changed.

    Args:
        model (nn.Module): The model, possibly in a distributed wrapper.
        content (Mapping): Content of a file.
        prefix (str, optional): Takes only the names of the file under it.
            ``'backbone.'`` may be missing: then the file is one of a
            backbone.

    Returns:
        Fit: What fits and what does not.

    Raises:
        CheckpointError: If nothing is under ``prefix``, or several networks
            of the file fit equally well.
    """
    model = _unwrap(model)
    weights = weights_of(content)
    if prefix:
        weights = _under(weights, prefix)
    best = _fit(model, weights)
    if best.complete:
        return best
    names = model.state_dict().keys() if not _sharded(model) else best.own
    aligned = _align(weights, names)
    if aligned is not None:
        fit = _fit(model, aligned)
        if len(fit.comparison.matched) > len(best.comparison.matched):
            return fit
    return best


def _unwrap(model: nn.Module) -> nn.Module:
    # only FSDP itself puts its shards together
    while not _sharded(model) and (
        is_model_wrapper(model) or isinstance(model, BaseTTAModel)
    ):
        model = cast(nn.Module, model.module)
    return model


def _sharded(model: nn.Module) -> bool:
    return isinstance(model, FullyShardedDataParallel)


def _is_among(name: str, chosen: Collection[str]) -> bool:
    return any(
        name == entry
        or name.startswith(f'{entry.rstrip(".")}.')
        or fnmatchcase(name, entry)
        for entry in chosen
    )


def _under(weights: dict[str, Any], prefix: str) -> dict[str, Any]:
    start = f'{prefix.rstrip(".")}.'
    found = {
        name.removeprefix(start): value
        for name, value in weights.items()
        if name.startswith(start)
    }
    if found or start == 'backbone.':
        return found or weights
    raise CheckpointError(
        f'The checkpoint has nothing under prefix={prefix!r}. Its names begin '
        f'with {", ".join(sorted({name.split(".")[0] for name in weights}))}'
    )


def _align(
    weights: dict[str, Any], names: Collection[str]
) -> dict[str, Any] | None:
    """Take a prefix from the file's names, or put one in front of them."""
    inner, inner_count = _best_prefix(weights, names)
    outer, outer_count = _best_prefix(names, weights)
    if not (inner_count or outer_count):
        return None
    if outer_count > inner_count:
        return {f'{outer}{name}': value for name, value in weights.items()}
    return {
        name.removeprefix(inner): value
        for name, value in weights.items()
        if name.startswith(inner)
    }


def _best_prefix(
    long: Iterable[str], short: Collection[str]
) -> tuple[str, int]:
    """Find what most of the long names have in front of a short one.

    The trained network comes before its momentum average, and a shallow one
    before a deep one.
    """
    counts: Counter[str] = Counter()
    for name in long:
        parts = name.split('.')
        for index in range(len(parts)):
            rest = '.'.join(parts[index:])
            if rest in short:
                counts[name.removesuffix(rest)] += 1
    if not counts:
        return '', 0
    most = max(counts.values())
    good = [prefix for prefix in counts if 2 * counts[prefix] >= most]

    def rank(prefix: str) -> tuple[bool, int, int]:
        teacher = TEACHER.search(prefix) is not None
        return teacher, -counts[prefix], prefix.count('.')

    good.sort(key=rank)
    best = good[0]
    if len(good) > 1 and rank(best) == rank(good[1]):
        raise CheckpointError(
            f'The checkpoint holds several networks that fit, {best!r} and '
            f'{good[1]!r}; choose one by init_cfg=dict(type='
            "'Pretrained', ..., prefix=...)"
        )
    return best, counts[best]


def _fit(model: nn.Module, weights: dict[str, Any]) -> Fit:
    own = model.state_dict() if _sharded(model) else _own_tensors(model)
    tensors = dict(weights)
    refusals: list[str] = []
    if not _sharded(model):
        tensors = _through_load_hooks(model, tensors, refusals)
    return Fit(
        type(model).__name__,
        weights,
        compare(own, tensors),
        own,
        tensors,
        '. '.join(refusals),
    )


def _own_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and kept buffers by the names within the modules."""
    own: dict[str, Tensor] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        start = f'{name}.' if name else ''
        passing = module._non_persistent_buffers_set
        kept = {k: v for k, v in module._buffers.items() if k not in passing}
        for key, value in {**module._parameters, **kept}.items():
            if value is not None:
                own[start + key] = value
    return own


def _through_load_hooks(
    module: nn.Module,
    weights: dict[str, Any],
    refusals: list[str],
    prefix: str = '',
) -> dict[str, Any]:
    """Let the hooks rewrite the entries, in the order of ``load_state_dict``.

    They see what begins with the prefix of their module, as there. What a
    hook refuses stays as it is.
    """
    try:
        for hook in module._load_state_dict_pre_hooks.values():
            hook(weights, prefix, {}, True, [], [], [])
    except CheckpointError as error:
        refusals.append(str(error))
    for name, child in module._modules.items():
        if child is None or not any(
            inner._load_state_dict_pre_hooks for inner in child.modules()
        ):
            continue
        start = f'{prefix}{name}.'
        part = {k: v for k, v in weights.items() if k.startswith(start)}
        weights = {k: v for k, v in weights.items() if k not in part}
        weights.update(_through_load_hooks(child, part, refusals, start))
    return weights
