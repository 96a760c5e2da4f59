"""Does the model wait for the data, or the data for the model?"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MessageHub
from torch.utils.data import DataLoader

from m3i_mm.runs.building import build_loader, build_model

__all__ = ['Bottleneck', 'find_bottleneck']


class Bottleneck(NamedTuple):
    """Seconds for a batch.

    Attributes:
        batch_size (int): The images in a batch.
        num_workers (int): The workers of the loader.
        data (float): Seconds between batches if nothing else happens.
        model (float): Seconds of a training step on a batch that is there.
    """

    batch_size: int
    num_workers: int
    data: float
    model: float

    def __str__(self) -> str:
        slow = 'data' if self.data > self.model else 'model'
        waiting = max(0.0, 1 - self.model / self.data)
        text = (
            f'data: {self.batch_size / self.data:.1f} images/s with '
            f'{self.num_workers} workers, '
            f'model: {self.batch_size / self.model:.1f} images/s; '
            f'the {slow} is the bottleneck'
        )
        if slow == 'data':
            needed = -(-max(self.num_workers, 1) * self.data // self.model)
            text += (
                f': training would wait {waiting:.0%} of the time; about '
                f'{needed:.0f} workers keep up with the model'
            )
        return text


def find_bottleneck(cfg: Config, steps: int = 20) -> Bottleneck:
    """Time the loader and the model of a config one after the other.

    Args:
        cfg (Config): A training config.
        steps (int): Batches that are timed. Defaults to 20.

    Returns:
        Bottleneck: The times.

    Raises:
        ConfigError: If the config has no training or cannot be built.
    """
    loader = build_loader(cfg)
    _match_streams(loader)
    data, batch = _time_loader(loader, steps)
    # the workers would take processor time from the model
    loader._iterator = None
    model = _time_model(cfg, batch, steps)
    size = cfg.train_dataloader.batch_size
    return Bottleneck(size, loader.num_workers, data, model)


def _match_streams(loader: DataLoader) -> None:
    # in training ResumeStateHook does this
    sampler: Any = loader.batch_sampler
    if getattr(sampler, 'num_streams', 0) is None:
        sampler.num_streams = max(1, loader.num_workers)


def _time_loader(loader: DataLoader, steps: int) -> tuple[float, Any]:
    """Return the seconds a batch, and a batch."""
    # what workers prefetched while they started does not count
    skip = max(2, loader.num_workers * (loader.prefetch_factor or 0))
    batches = iter(loader)
    begin = time.perf_counter()
    for number in range(skip + steps):
        if number == skip:
            begin = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            batches = iter(loader)
            batch = next(batches)
    return (time.perf_counter() - begin) / steps, batch


def _time_model(cfg: Config, batch: Any, steps: int) -> float:
    device = get_device()
    model = build_model(cfg).to(device)
    model.train()
    # momentum encoders read their schedule's length
    hub = MessageHub.get_current_instance()
    hub.update_info_dict(dict(iter=0, max_iters=steps + 2))
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-6)
    times = []
    for _ in range(steps + 2):
        begin = time.perf_counter()
        with torch.autocast(
            torch.device(device).type, torch.bfloat16, device != 'cpu'
        ):
            losses = model(**model.data_preprocessor(batch, True), mode='loss')
        loss, _ = model.parse_losses(losses)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if device != 'cpu':
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    # the first steps allocate memory and choose algorithms
    return sum(times[2:]) / steps
