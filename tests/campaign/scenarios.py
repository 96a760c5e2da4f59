"""What can happen to a run; each scenario returns a row of the table."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from toy.shards import sample_files, write_shard, write_shards

from .runs import Run, arguments, equal, final_state

__all__ = ['SCENARIOS', 'Row']


@dataclass
class Row:
    """How often a scenario was tried and went as it should.

    Args:
        name (str): The scenario.
        right (str): What should happen.
    """

    name: str
    right: str
    tried: int = 0
    held: int = 0
    hung: int = 0
    notes: list[str] = field(default_factory=list)

    def count(self, held: bool, codes: list[int | None], note: str) -> None:
        """Count one try; keep its note if it failed."""
        self.tried += 1
        self.hung += None in codes
        self.held += held and None not in codes
        if not held:
            self.notes.append(note)


def _whole(folder: Path, shards: str, ranks: int = 1, *options: str) -> float:
    """Run undisturbed into ``whole``; return the seconds."""
    begin = time.monotonic()
    run = Run(
        arguments(shards, folder / 'whole', *options),
        folder / 'whole.log',
        ranks,
    )
    codes = run.end()
    assert codes == [0] * ranks, run.said
    return time.monotonic() - begin


def _interrupt(
    row: Row,
    folder: Path,
    tries: int,
    rng: random.Random,
    number: int,
    ranks: int = 1,
    options: tuple[str, ...] = (),
    flags: tuple[str, ...] = (),
) -> Row:
    """Interrupt runs at random moments until they end; compare the states."""
    shards = write_shards(folder)
    seconds = _whole(folder, shards, ranks, *options)
    whole = final_state(folder / 'whole')
    for attempt in range(tries):
        work_dir = folder / f'{row.name.replace(" ", "-")}-{attempt}'
        log = folder / f'{work_dir.name}.log'
        codes: list[int | None] = []
        for part in range(4):
            # the last part may end
            command = [*arguments(shards, work_dir, *options)]
            run = Run([*command[:1], '--resume', *flags, *command[1:]], log,
                      ranks)  # fmt: skip
            if part < 3:
                time.sleep(rng.uniform(0, seconds))
                run.kill(number, rng.randrange(ranks))
            codes = run.end()
            if None in codes or not any(codes):
                break
        held = not any(codes) and equal(final_state(work_dir), whole)
        row.count(held, codes, f'{codes} {run.said[-300:]}')
        shutil.rmtree(work_dir)
    return row


def kill_one(folder: Path, tries: int, rng: random.Random) -> Row:
    """Kill a process up to three times, anywhere."""
    row = Row('kill -9', 'resumes bit-equal')
    return _interrupt(row, folder, tries, rng, signal.SIGKILL)


def kill_with_workers(folder: Path, tries: int, rng: random.Random) -> Row:
    """The same with workers that load data, and accumulation."""
    row = Row('kill -9, 2 workers, accumulation 4', 'resumes bit-equal')
    options = (
        'train_dataloader.num_workers=2',
        'train_dataloader.persistent_workers=True',
        'optim_wrapper.accumulative_counts=4',
    )
    return _interrupt(row, folder, tries, rng, signal.SIGKILL, options=options)


def kill_a_rank(folder: Path, tries: int, rng: random.Random) -> Row:
    """Kill one of two ranks."""
    row = Row('kill -9 of one of 2 ranks', 'all end, resume bit-equal')
    return _interrupt(row, folder, tries, rng, signal.SIGKILL, ranks=2)


def stop(folder: Path, tries: int, rng: random.Random) -> Row:
    """Ask a run to end, with a checkpoint."""
    row = Row('SIGTERM with --save-on-signal', 'saves, resumes bit-equal')
    return _interrupt(
        row, folder, tries, rng, signal.SIGTERM, flags=('--save-on-signal',)
    )


def warn_a_rank(folder: Path, tries: int, rng: random.Random) -> Row:
    """Warn one of two ranks of a time limit."""
    row = Row('SIGUSR1 to one of 2 ranks', 'all save, resume bit-equal')
    return _interrupt(row, folder, tries, rng, signal.SIGUSR1, ranks=2)


def damage(folder: Path, tries: int, rng: random.Random) -> Row:
    """Damage the last checkpoint in one of four ways."""
    row = Row('damaged last checkpoint', 'one line, names the one before')
    shards = write_shards(folder)
    _whole(folder, shards)
    whole = final_state(folder / 'whole')
    for attempt in range(tries):
        work_dir = folder / f'damaged-{attempt}'
        shutil.copytree(folder / 'whole', work_dir)
        path = work_dir / 'iter_18.pth'
        content = bytearray(path.read_bytes())
        place = rng.randrange(len(content) // 2, len(content) - 2000)
        content[place] ^= 0xFF
        damaged = [bytes(content), content[:place], b'', b'no checkpoint']
        path.write_bytes(damaged[attempt % 4])
        command = arguments(shards, work_dir)
        run = Run([command[0], '--resume', *command[1:]],
                  folder / f'{work_dir.name}.log')  # fmt: skip
        codes = run.end()
        last = run.said.strip().splitlines()[-1]
        before = str(work_dir / 'iter_16.pth')
        named = last.startswith('error:') and f'--resume {before}' in last
        again = Run([command[0], '--resume', before, *command[1:]],
                    folder / f'{work_dir.name}.log')  # fmt: skip
        codes += again.end()
        held = named and codes[-1] == 0
        held = held and equal(final_state(work_dir), whole)
        row.count(held, codes, f'{codes} {last}')
        shutil.rmtree(work_dir)
    return row


def fill_the_disk(folder: Path, tries: int, rng: random.Random) -> Row:
    """Let writing fail from some file size on."""
    row = Row('disk full while saving', 'one line, then bit-equal')
    shards = write_shards(folder)
    _whole(folder, shards)
    whole = final_state(folder / 'whole')
    size = (folder / 'whole/iter_18.pth').stat().st_size
    for attempt in range(tries):
        work_dir = folder / f'full-{attempt}'
        log = folder / f'{work_dir.name}.log'
        command = arguments(shards, work_dir)
        limit = rng.randrange(size // 4, size)
        run = Run(command, log, limit=limit)
        codes = run.end()
        last = run.said.strip().splitlines()[-1]
        held = codes[0] == 2 and 'cannot be written: File too large' in last
        left = sorted(work_dir.glob('*.part'))
        codes = Run([command[0], '--resume', *command[1:]], log).end()
        held = held and not left and codes == [0]
        held = held and equal(final_state(work_dir), whole)
        row.count(held, codes, f'{codes} {left} {last}')
        shutil.rmtree(work_dir)
    return row


def share_a_folder(folder: Path, tries: int, rng: random.Random) -> Row:
    """Start a second run in the folder of the first."""
    row = Row('two runs in one folder', 'second refused, first bit-equal')
    shards = write_shards(folder)
    seconds = _whole(folder, shards)
    whole = final_state(folder / 'whole')
    for attempt in range(tries):
        work_dir = folder / f'shared-{attempt}'
        command = arguments(shards, work_dir)
        first = Run(command, folder / f'first-{attempt}.log')
        while not (work_dir / '.lock').exists():
            time.sleep(0.01)
        time.sleep(rng.uniform(0, seconds / 3))
        second = Run(command, folder / f'second-{attempt}.log')
        codes = [*second.end(), *first.end()]
        held = codes == [2, 0] and 'is in use by' in second.said
        held = held and equal(final_state(work_dir), whole)
        row.count(held, codes, f'{codes} {second.said[-300:]}')
    return row


def damage_samples(folder: Path, tries: int, rng: random.Random) -> Row:
    """Damage some pictures; the report must count every meeting of one."""
    row = Row('damaged pictures', 'each counted, no other')
    for attempt in range(tries):
        samples = {f'{i:04d}': sample_files(i) for i in range(24)}
        bad = rng.sample(sorted(samples), rng.randrange(1, 8))
        for key in bad:
            content = samples[key]['webp']
            samples[key]['webp'] = content[: rng.randrange(len(content))]
        shards = folder / f'bad-{attempt}'
        shards.mkdir()
        write_shard(shards / 'train-0.tar', samples)
        work_dir = folder / f'samples-{attempt}'
        run = Run(
            arguments(
                str(shards / 'train-*.tar'),
                work_dir,
                'default_hooks.report.type=m3i_mm.DataReportHook',
            ),
            folder / f'samples-{attempt}.log',
        )
        codes = run.end()
        (file,) = work_dir.rglob('data_report.json')
        (source,) = json.loads(file.read_text()).values()
        found = sum(fault['count'] for fault in source['faults'].values())
        named = {
            example['key'].rpartition('/')[2]
            for fault in source['faults'].values()
            for example in fault['examples']
        }
        # each of 24 samples is due once in each of 3 epochs; what replaces
        # one may be damaged too
        held = codes == [0] and found >= 3 * len(bad) and named <= set(bad)
        row.count(held, codes, f'{found} of {bad}, {named} {codes}')
    return row


SCENARIOS: dict[str, Callable[[Path, int, random.Random], Row]] = {
    function.__name__: function
    for function in (
        kill_one,
        kill_with_workers,
        kill_a_rank,
        stop,
        warn_a_rank,
        damage,
        fill_the_disk,
        share_a_folder,
        damage_samples,
    )
}
