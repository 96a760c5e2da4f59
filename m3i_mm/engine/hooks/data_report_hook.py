"""What could not be read, and whether training waits for data."""

from __future__ import annotations

import json
import os.path as osp
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from mmengine.dist import all_gather_object, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from m3i_mm.registry import HOOKS

KEY = 'data_report'

__all__ = ['DataReport', 'DataReportHook', 'TooManyFaultsError']


class TooManyFaultsError(RuntimeError):
    """More samples cannot be used than the configuration allows."""


class DataReport:
    """Counts of samples and faults by source.

    Args:
        max_examples (int): Faults that are kept with key and reason, for each
            source and kind.
    """

    def __init__(self, max_examples: int = 20) -> None:
        self.max_examples = max_examples
        self.samples: Counter[str] = Counter()
        self.faults: Counter[tuple[str, str]] = Counter()
        self.examples: dict[tuple[str, str], list[dict[str, str]]] = {}

    @property
    def fraction(self) -> float:
        """The share of all samples that could not be used."""
        return self.faults.total() / max(self.samples.total(), 1)

    def add_batch(self, data_samples: Iterable[Any]) -> None:
        """Count the samples of a batch and the faults they carry."""
        for sample in data_samples:
            source = sample.get('source', 'data')
            self.samples[source] += 1
            for fault in sample.get('faults', []):
                self.add_fault(source, **fault)

    def add_fault(self, source: str, kind: str, key: str, reason: str) -> None:
        """Count one fault."""
        self.faults[source, kind] += 1
        examples = self.examples.setdefault((source, kind), [])
        if len(examples) < self.max_examples:
            examples.append(dict(key=key, reason=reason))

    def merge(self, other: DataReport) -> None:
        """Add the counts of another process."""
        self.samples += other.samples
        self.faults += other.faults
        for place, examples in other.examples.items():
            mine = self.examples.setdefault(place, [])
            mine += examples[: self.max_examples - len(mine)]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data, by source and kind."""
        report: dict[str, Any] = {}
        for source, count in sorted(self.samples.items()):
            faults = {
                kind: dict(count=number, examples=self.examples[source, kind])
                for (name, kind), number in sorted(self.faults.items())
                if name == source
            }
            report[source] = dict(samples=count, faults=faults)
        return report

    def add_dict(self, content: Mapping[str, Any]) -> None:
        """Add what :meth:`as_dict` returned."""
        other = DataReport(self.max_examples)
        for source, counts in content.items():
            other.samples[source] = counts['samples']
            for kind, fault in counts['faults'].items():
                other.faults[source, kind] = fault['count']
                other.examples[source, kind] = list(fault['examples'])
        self.merge(other)

    def __str__(self) -> str:
        parts = []
        for source, count in sorted(self.samples.items()):
            kinds = [
                f'{number} {kind}'
                for (name, kind), number in sorted(self.faults.items())
                if name == source
            ]
            faults = ', '.join(kinds) or 'none'
            parts.append(f'{source}: {count} samples, replaced: {faults}')
        return '; '.join(parts)


@HOOKS.register_module()
class DataReportHook(Hook):
    """Counts samples per source and faults per kind.

    At the end of every epoch (or every ``interval`` iterations) the counts of
    all ranks go to the log and to ``work_dir/data_report.json``, with the
    share of time that training waited for data. A resumed run goes on
    counting; with several ranks from the last report before the checkpoint.

    Args:
        max_fraction (float): The run ends if more than this share of the
            samples cannot be used. Defaults to 0.1.
        min_samples (int): Not before so many samples of a rank. Defaults to
            1000.
        interval (int, optional): For iteration-based loops. Defaults to None.

    Raises:
        TooManyFaultsError: With the faults, if there are too many.
    """

    priority = 'LOW'

    def __init__(
        self,
        max_fraction: float = 0.1,
        min_samples: int = 1000,
        interval: int | None = None,
    ) -> None:
        self.max_fraction = max_fraction
        self.min_samples = min_samples
        self.interval = interval
        self.report = DataReport()
        # what was counted before the run was resumed, and until the last
        # report
        self._earlier: dict[str, Any] = {}
        self._published: dict[str, Any] = {}

    def after_load_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Take over the counts of the run that is resumed."""
        if runner._resume:
            self._earlier = self._published = checkpoint.get(KEY, {})

    def before_save_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Add the counts; MMEngine calls this on the first rank only."""
        checkpoint[KEY] = self._published
        if get_world_size() == 1:
            checkpoint[KEY] = self._total([self.report]).as_dict()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Count a batch, and end the run if too much is broken."""
        self.report.add_batch(data_batch['data_samples'])
        report = self.report
        if report.samples.total() >= self.min_samples and (
            report.fraction > self.max_fraction
        ):
            self._write(runner, report)
            raise TooManyFaultsError(
                f'{report.fraction:.1%} of the samples cannot be used, more '
                f'than max_fraction={self.max_fraction:.1%}. {report}. '
                f'{_list_faults(report)}'
            )
        if self.interval and self.every_n_train_iters(runner, self.interval):
            self._publish(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Log and write the report."""
        self._publish(runner)

    def after_train(self, runner: Runner) -> None:
        """Log and write the report of an iteration-based run."""
        if self.interval:
            self._publish(runner)

    def _publish(self, runner: Runner) -> None:
        total = self._total(all_gather_object(self.report))
        self._published = total.as_dict()
        if is_main_process():
            self._write(runner, total)
            print_log(f'Data: {total}. {_waiting(runner)}', logger='current')

    def _total(self, reports: Iterable[DataReport]) -> DataReport:
        total = DataReport()
        total.add_dict(self._earlier)
        for report in reports:
            total.merge(report)
        return total

    def _write(self, runner: Runner, report: DataReport) -> None:
        path = osp.join(runner.work_dir, 'data_report.json')
        with open(path, 'w', encoding='utf-8') as file:
            json.dump(report.as_dict(), file, indent=1)


def _list_faults(report: DataReport) -> str:
    return '; '.join(
        f'{example["key"]} ({kind}: {example["reason"]})'
        for (_, kind), examples in sorted(report.examples.items())
        for example in examples
    )


def _waiting(runner: Runner) -> str:
    scalars = runner.message_hub.log_scalars
    if 'train/time' not in scalars or 'train/data_time' not in scalars:
        return ''
    window = max(len(runner.train_dataloader), 1)
    waiting = scalars['train/data_time'].mean(window)
    total = scalars['train/time'].mean(window)
    return f'Training waited for data {waiting / max(total, 1e-9):.0%} of time'
