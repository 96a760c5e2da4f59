"""How much memory a pre-training needs on each device.

Weights, gradients and the optimizer's state are counted exactly; activations
are counted by running the parts of the model on PyTorch's meta device, which
computes shapes only, and adding up what the backward pass keeps. Temporary
buffers of kernels and the allocator's fragmentation come on top.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from m3i_mm.engine.strategies import find_units
from m3i_mm.models.pretrainers.batch import Batch
from m3i_mm.models.pretrainers.places import Places
from m3i_mm.models.pretrainers.targets import TextTarget
from m3i_mm.models.pretrainers.tokens import ImageTokens
from m3i_mm.runs.config_check import ConfigError

from .complexity import build_without_memory

__all__ = ['STRATEGIES', 'MemoryPlan', 'count_activations', 'plan_memory']

# Bytes of optimizer state for each parameter, in float32
_OPTIMIZER_BYTES = dict(AdamW=8, Adam=8, Lamb=8, SGD=4, LARS=4)
STRATEGIES = ('ddp', 'fsdp', 'zero1', 'zero2')


@dataclass
class MemoryPlan:
    """Bytes on one device.

    Attributes:
        weights (float): Trained and averaged weights, and copies of them in
            lower precision.
        gradients (float): Gradients, with DDP's communication buckets.
        optimizer (float): State of the optimizer.
        activations (float): What the backward pass keeps.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float

    @property
    def total(self) -> float:
        """The sum."""
        return (
            self.weights + self.gradients + self.optimizer + self.activations
        )


def plan_memory(
    cfg: Config,
    devices: int,
    strategy: str,
    batch_size: int | None = None,
    image_size: int = 224,
) -> tuple[dict[str, int], MemoryPlan]:
    """Plan a pre-training that a config describes.

    Under ``'ddp'`` every device holds everything, in float32 with bfloat16
    copies. ``'fsdp'`` divides all of it and gathers one unit at a time.
    ``'zero1'`` and ``'zero2'`` are the stages of ``ZeroStrategy``: weights as
    under DDP, with the optimizer's state and its copy of the weights divided,
    2 the gradients too.

    Args:
        cfg (Config): Config of an M3I pre-training.
        devices (int): Number of devices N.
        strategy (str): One of :data:`STRATEGIES`.
        batch_size (int, optional): Images per device. Defaults to that of
            the config.
        image_size (int): Side of a view in pixels. Defaults to 224.

    Returns:
        tuple[dict[str, int], MemoryPlan]: Parameters of each part of the
        model, and the bytes on a device.

    Raises:
        ConfigError: If the model is no M3I.
        ValueError: If the strategy is unknown or the optimizer's state is.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f'strategy must be one of {STRATEGIES}: {strategy!r}')
    optimizer = cfg.optim_wrapper.optimizer.type
    if optimizer not in _OPTIMIZER_BYTES:
        raise ValueError(
            f'The size of the state of {optimizer!r} is not known; known are '
            f'{sorted(_OPTIMIZER_BYTES)}'
        )
    if cfg.model.type.split('.')[-1] != 'M3I':
        raise ConfigError(
            f'{cfg.filename or "the config"} trains a {cfg.model.type}; what '
            'is planned is the memory of a pre-training, type M3I'
        )
    model = build_without_memory(cfg, 'model')
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters()) - trained
    unit = largest_unit(model)
    state = _OPTIMIZER_BYTES[optimizer]
    shard = 1 / devices
    weights: float
    gradients: float
    states: float
    if strategy == 'ddp':
        weights = 4 * (trained + frozen) + 2 * trained
        gradients = 8 * trained
        states = state * trained
    elif strategy == 'fsdp':
        # the unit in use and the prefetched one, with bfloat16 copies
        weights = 4 * (trained + frozen) * shard + 2 * unit * (4 + 2)
        gradients = 4 * trained * shard + 4 * unit
        states = state * trained * shard
    else:
        weights = 4 * (trained + frozen) + 2 * trained
        gradients = 4 * trained * (shard if strategy == 'zero2' else 1)
        states = (state + 4) * trained * shard
    activations = 2 * count_activations(
        model, batch_size or cfg.train_dataloader.batch_size, image_size
    )
    plan = MemoryPlan(weights, gradients, states, activations)
    return count_parts(model), plan


def count_parts(model: nn.Module) -> dict[str, int]:
    """Count the parameters of every direct part of a model."""
    sizes = {
        name: sum(p.numel() for p in child.parameters())
        for name, child in model.named_children()
    }
    return {name: size for name, size in sizes.items() if size}


def largest_unit(model: nn.Module) -> int:
    """Return the most parameters that a sharded model gathers at a time."""
    units = find_units(model)
    sizes: dict[int, int] = defaultdict(int)

    def add(module: nn.Module, owner: int) -> None:
        for parameter in module.parameters(recurse=False):
            sizes[owner] += parameter.numel()
        for child in module.children():
            add(child, id(child) if id(child) in units else owner)

    add(model, id(model))
    return max(sizes.values())


class _SavedElements:
    """Counts the elements that autograd keeps, each tensor once."""

    def __init__(self, model: nn.Module) -> None:
        self.elements = 0
        self._seen = {p.untyped_storage()._cdata for p in model.parameters()}
        self._kept: list[Tensor] = []

    def __enter__(self) -> _SavedElements:
        self._hooks = torch.autograd.graph.saved_tensors_hooks(
            self._pack, lambda tensor: tensor
        )
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._hooks.__exit__(*error)

    def _pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._seen:
            self._seen.add(storage._cdata)
            # an address is not given away again while it is in use
            self._kept.append(tensor)
            self.elements += storage.nbytes() // tensor.element_size()
        return tensor


def count_activations(
    model: Any, batch_size: int, image_size: int = 224
) -> int:
    """Count the elements that the backward pass of one step needs.

    Args:
        model (M3I): On the meta device, where it costs nothing.
        batch_size (int): Images B of one device.
        image_size (int): Side of a view in pixels. Defaults to 224.

    Returns:
        int: Elements of all saved tensors. Checkpointed blocks save their
        input only.
    """
    device = next(model.parameters()).device
    model.train()
    view = torch.zeros(batch_size, 3, image_size, image_size, device=device)
    # a whole view is encoded once, however many passes it has
    encoded: dict[int, ImageTokens] = {}
    with _SavedElements(model) as saved:
        for step in model.input(Batch([view, view])):
            whole = step.members[0].view if step.images is None else None
            tokens = encoded.get(whole) if whole is not None else None
            if tokens is None:
                images = view[: batch_size // step.members[0].count].clone()
                # weights would be saved in every case; a leaf starts the
                # checkpointing
                tokens = model.encode(images.requires_grad_())
            if whole is not None:
                encoded[whole] = tokens
            for _, objective in model.named_objectives():
                shown = step.shown(objective.members)
                for _ in shown:
                    _decode(model, objective, tokens, len(step.members))
                if shown and isinstance(objective.target, TextTarget):
                    _encode_texts(objective.target.text_encoder, batch_size)
    return saved.elements


def _encode_texts(encoder: Any, batch_size: int) -> None:
    """Run the layers of a text encoder on texts of the greatest length."""
    positions = getattr(encoder, 'position_embedding', None)
    if positions is None:
        raise ValueError(
            f'The activations of {type(encoder).__name__} are not known; '
            'switch the text objective off, or take a TextTransformer'
        )
    embeddings = positions.expand(batch_size, *positions.shape).clone()
    encoder.layers(embeddings)


def _decode(
    model: Any, objective: Any, tokens: ImageTokens, members: int
) -> Tensor:
    """Run a decoder on the share of the tokens that one image owns."""
    owned = tokens.values.shape[1] // members
    visible = ImageTokens(
        tokens.values[:, :owned],
        tokens.indices[:, :owned],
        tokens.grid,
        tokens.class_token,
    )
    count = tokens.values.shape[1]
    if getattr(objective.target, 'patches', 'all') == 'hidden':
        count -= owned
    shape = (len(tokens.values), count)
    device = tokens.values.device
    cells = torch.zeros(shape, dtype=torch.long, device=device)
    coordinates = torch.zeros(*shape, 4, device=device)
    places = Places(coordinates, cells)
    return model.decoders[objective.decoder](visible, places)
