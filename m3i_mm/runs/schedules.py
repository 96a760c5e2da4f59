"""Fit the schedules of a config to the length of its training."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

__all__ = ['cut_warmups', 'fit_schedules', 'without_empty']

# of the training; what recipes commonly spend on it
WARMUP_SHARE = 0.1


def fit_schedules(cfg: Config) -> list[str]:
    """Cut schedules that reach beyond the end of the training.

    A recipe of 400 epochs with 40 of warm-up would, run for 10, never leave
    the warm-up, and MMEngine refuses a decay that begins after the end. Where
    one schedule hands over to the next at or after the end of training, the
    handover moves to a tenth of the training; ends after it move to it.

    Args:
        cfg (Config): The config, changed in place.

    Returns:
        list[str]: What was cut, a sentence each.
    """
    length, by_epoch = _length(cfg)
    schedules = cfg.get('param_scheduler')
    if isinstance(schedules, dict):
        schedules = [schedules]
    if not length or not schedules:
        return []
    schedules = [
        schedule
        for schedule in schedules
        if isinstance(schedule, dict)
        and schedule.get('by_epoch', True) == by_epoch
    ]
    unit = 'epochs' if by_epoch else 'iterations'
    said = []
    for schedule in schedules:
        if schedule.get('warmup', 0) >= length:
            said.append(_cut_warmup(schedule, 'warmup', length, unit))
    for schedule in schedules:
        begin = schedule.get('begin', 0)
        if begin >= length:
            for other in schedules:
                if other.get('end') == begin:
                    said.append(_cut_warmup(other, 'end', length, unit))
            schedule['begin'] = _share(schedule, length)
    if not by_epoch:
        said += cut_warmups(schedules, length)
    for schedule in schedules:
        end = schedule.get('end')
        if end is not None and end > length:
            schedule['end'] = length
            said.append(
                f'{schedule["type"]}: end cut from {end} to {length} {unit}'
            )
    return said


def cut_warmups(schedules: Any, iterations: int) -> list[str]:
    """Cut warm-ups of iterations that would last to the end of a training.

    Args:
        schedules (Any): What ``param_scheduler`` holds, changed in place.
        iterations (int): Length of the training.

    Returns:
        list[str]: What was cut, a sentence each.
    """
    if isinstance(schedules, dict):
        schedules = [schedules]
    counted = [
        schedule
        for schedule in schedules or ()
        if isinstance(schedule, dict) and not schedule.get('by_epoch', True)
    ]
    said = []
    for schedule in counted:
        if not _is_warmup(schedule) or schedule['end'] < iterations:
            continue
        old = schedule['end']
        said.append(_cut_warmup(schedule, 'end', iterations, 'iterations'))
        for other in counted:
            if other.get('begin') == old:
                other['begin'] = schedule['end']
    return said


def _is_linear(schedule: dict[str, Any]) -> bool:
    kind = schedule.get('type')
    return isinstance(kind, str) and kind.split('.')[-1] == 'LinearLR'


def _is_warmup(schedule: dict[str, Any]) -> bool:
    return (
        _is_linear(schedule)
        and schedule.get('begin', 0) == 0
        and isinstance(schedule.get('end'), int)
    )


def without_empty(schedules: Any, epoch_length: int) -> Any:
    """Leave out schedules that last no iteration, and warm-ups of one.

    Half an epoch of warm-up is nothing where an epoch is one iteration, and
    MMEngine refuses a schedule without a length. Where an epoch is two or
    three, it is one iteration, of which MMEngine's ``LinearLR`` makes the
    start without the end: the rate would stay there for all of the training.

    Args:
        schedules (Any): What ``param_scheduler`` holds.
        epoch_length (int): Iterations of an epoch.

    Returns:
        Any: The same without them.
    """
    if not isinstance(schedules, (dict, list, tuple)):
        return schedules

    def lasts(schedule: Any) -> bool:
        if not isinstance(schedule, dict) or 'end' not in schedule:
            return True
        length = 1
        if schedule.get('convert_to_iter_based'):
            length = epoch_length
        begin = int(schedule.get('begin', 0) * length)
        least = 2 if _is_linear(schedule) else 1
        return int(schedule['end'] * length) - begin >= least

    if isinstance(schedules, dict):
        # one schedule, or one list for each of several optimizers
        return schedules if lasts(schedules) else []
    return [schedule for schedule in schedules if lasts(schedule)]


def _length(cfg: Config) -> tuple[int | None, bool]:
    """Return how long a training is, and whether in epochs."""
    train = cfg.get('train_cfg') or {}
    by_epoch = train.get('by_epoch', 'Iter' not in train.get('type', 'Epoch'))
    return train.get('max_epochs' if by_epoch else 'max_iters'), by_epoch


def _share(schedule: dict[str, Any], length: int) -> float:
    share = WARMUP_SHARE * length
    # only a schedule of iterations knows parts of an epoch
    if schedule.get('convert_to_iter_based'):
        return share
    return int(share)


def _cut_warmup(
    schedule: dict[str, Any], key: str, length: int, unit: str
) -> str:
    old, schedule[key] = schedule[key], _share(schedule, length)
    return (
        f'{schedule["type"]}: warm-up cut from {old} to {schedule[key]:g} of '
        f'{length} {unit}'
    )
