"""How many pictures a row sees in a given processor time."""

from __future__ import annotations

from pathlib import Path

from run import EPOCH, RunError, read_result

__all__ = ['epoch_seconds', 'pictures_for']


def epoch_seconds(results: Path, row: str, stages: int = 1) -> float:
    """Find what an epoch of a row costs on an undisturbed core.

    Other work on the machine makes epochs longer and never shorter, so the
    least of all epochs counts, the mean over the stages of a pipeline.

    Args:
        results (Path): Folder of results, of any number of pictures.
        row (str): The row.
        stages (int): Trainings of a run, of equally many epochs.

    Returns:
        float: Processor seconds for :data:`run.EPOCH` pictures.

    Raises:
        RunError: If no result says what an epoch takes.
    """
    least = [float('inf')] * stages
    for path in sorted((results / row).glob('seed-*.json')):
        epochs = (read_result(path) or {}).get('epoch_cpu_seconds', [])
        share = len(epochs) // stages
        for stage in range(stages if share else 0):
            part = epochs[stage * share : (stage + 1) * share]
            least[stage] = min(least[stage], *part)
    if float('inf') in least:
        raise RunError(
            f'{results / row} has no result with epoch_cpu_seconds, so what '
            f'{row} costs is not known: run it at an equal number of pictures '
            'first, and name that folder by --measured'
        )
    return sum(least) / stages


def pictures_for(seconds: float, results: Path, row: str, stages: int) -> int:
    """Convert a budget of processor time to pictures.

    Args:
        seconds (float): The budget, for the training alone.
        results (Path): See :func:`epoch_seconds`.
        row (str): The row.
        stages (int): Trainings of a run, which share the budget.

    Returns:
        int: The nearest number of pictures that the row can see, a multiple
        of an epoch for each stage.

    Raises:
        RunError: If the budget is too small for that, or the cost unknown.
    """
    cost = epoch_seconds(results, row, stages)
    rounds = round(seconds / (cost * stages))
    if not rounds:
        raise RunError(
            f'{seconds} s are less than {row} needs for {EPOCH} pictures in '
            f'each of {stages} stages ({cost:.1f} s): choose more --seconds'
        )
    return rounds * stages * EPOCH
