"""Tables of the comparison from its result files."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from rows import PIXELS
from run import read_result

from m3i_mm.benchmarks.measure import markdown_table

__all__ = [
    'PROPERTIES',
    'draw_scores',
    'load_scores',
    'mean_gains',
    'mean_ranks',
    'seed_deviations',
    'write_choice',
    'write_tables',
]

# each property is the mean of its metrics
PROPERTIES = {
    'categories': ('knn/gt_label_top1', 'linear/gt_label_top1'),
    'few labels': ('few/gt_label_top1',),
    'texts': ('caption/i2t_R@10', 'caption/t2i_R@10'),
    'places': ('segmentation/mIoU',),
    'transfer': ('transfer/group_top1',),
}
REFERENCE = 'm3i'

# property -> seed -> percent
Scores = dict[str, dict[int, float]]


def load_scores(
    results: Path,
    rows: Sequence[str],
    properties: Mapping[str, Sequence[str]] = PROPERTIES,
) -> dict[str, Scores]:
    """Read the properties of all finished runs.

    Args:
        results (Path): Folder of the results.
        rows (Sequence[str]): Rows to read, in order.
        properties (Mapping[str, Sequence[str]]): The metrics of each, whose
            mean it is.

    Returns:
        dict[str, Scores]: By row; a property that a row lacks is left out.

    Raises:
        RunError: If a result file is broken.
    """
    scores: dict[str, Scores] = {}
    for row in rows:
        for path in sorted((results / row).glob('seed-*.json')):
            result = read_result(path)
            assert result is not None
            metrics = result['metrics']
            for name, keys in properties.items():
                if all(key in metrics for key in keys):
                    value = statistics.fmean(metrics[key] for key in keys)
                    of_row = scores.setdefault(row, {})
                    of_row.setdefault(name, {})[result['seed']] = value
    return scores


def mean_ranks(
    scores: Mapping[str, Scores], properties: Iterable[str] = PROPERTIES
) -> dict[str, float]:
    """Rank the means of all rows in every property, and average the ranks.

    Args:
        scores (Mapping[str, Scores]): See :func:`load_scores`.
        properties (Iterable[str]): Names of the properties.

    Returns:
        dict[str, float]: 1 is the best. Equal rows share their ranks, and
        rows that lack a property share the last ones.
    """
    ranks: dict[str, list[float]] = {row: [] for row in scores}
    for name in properties:
        means = {
            row: statistics.fmean(found[name].values())
            if name in found
            else -math.inf
            for row, found in scores.items()
        }
        for row, mean in means.items():
            better = sum(other > mean for other in means.values())
            equal = sum(other == mean for other in means.values())
            ranks[row].append(better + (equal + 1) / 2)
    return {row: statistics.fmean(found) for row, found in ranks.items()}


def seed_deviations(scores: Mapping[str, Scores]) -> dict[str, float]:
    """Pool the deviations between seeds over rows, property by property.

    Args:
        scores (Mapping[str, Scores]): See :func:`load_scores`. Rows with
            fewer than three seeds are left out.

    Returns:
        dict[str, float]: Root of the mean variance.
    """
    variances: dict[str, list[float]] = {}
    for found in scores.values():
        for name, by_seed in found.items():
            if len(by_seed) >= 3:
                variance = statistics.variance(by_seed.values())
                variances.setdefault(name, []).append(variance)
    return {
        name: math.sqrt(statistics.fmean(values))
        for name, values in variances.items()
    }


def mean_gains(
    scores: Mapping[str, Scores],
    deviations: Mapping[str, float],
    reference: str = REFERENCE,
) -> dict[str, float]:
    """Sum up what a setting gains, in deviations between seeds.

    Args:
        scores (Mapping[str, Scores]): See :func:`load_scores`.
        deviations (Mapping[str, float]): See :func:`seed_deviations`.
        reference (str): The row that the others are compared with.

    Returns:
        dict[str, float]: Mean over the properties that a row has of the
        difference of the means to the reference, over the deviation.
    """
    ours = scores.get(reference, {})
    gains = {}
    for row, found in scores.items():
        shares = [
            (
                statistics.fmean(found[name].values())
                - statistics.fmean(ours[name].values())
            )
            / deviations[name]
            for name in PROPERTIES
            if name in found and name in ours and name in deviations
        ]
        if shares:
            gains[row] = statistics.fmean(shares)
    return gains


def write_choice(
    scores: Mapping[str, Scores], deviations: Mapping[str, float]
) -> str:
    """Lay out settings that one is chosen of, as Markdown.

    Args:
        scores (Mapping[str, Scores]): See :func:`load_scores`.
        deviations (Mapping[str, float]): See :func:`seed_deviations`.

    Returns:
        str: Their properties, and their gain over M3I's setting.
    """
    gains = mean_gains(scores, deviations)
    rows = [
        {
            'setting': row,
            **{n: _spread(list(v.values())) for n, v in found.items()},
            'gain': f'{gains[row]:+.1f}' if row in gains else '',
        }
        for row, found in scores.items()
    ]
    return markdown_table(rows, ['setting', *PROPERTIES, 'gain'])


def write_tables(
    scores: Mapping[str, Scores],
    reference: str = REFERENCE,
    properties: Sequence[str] = tuple(PROPERTIES),
) -> str:
    """Lay out the properties, and the differences to a row, as Markdown.

    Args:
        scores (Mapping[str, Scores]): See :func:`load_scores`.
        reference (str): That row. Defaults to M3I.
        properties (Sequence[str]): Names of the properties.

    Returns:
        str: Two tables: mean and standard error over seeds, with the mean
        rank; and the same of the difference to that row of the same seed.
    """
    ranks = mean_ranks(scores, properties)
    ours = scores.get(reference, {})
    values, differences = [], []
    for row, found in scores.items():
        seeds = max(len(by_seed) for by_seed in found.values())
        values.append(
            {
                'row': row,
                'seeds': seeds,
                **{n: _spread(list(v.values())) for n, v in found.items()},
                'mean rank': f'{ranks[row]:.1f}',
            }
        )
        paired = {
            name: _difference(by_seed, ours.get(name, {}), row == PIXELS)
            for name, by_seed in found.items()
        }
        if row != reference:
            differences.append({'row': f'{row} - {reference}', **paired})
    columns = ['row', *properties]
    return '\n\n'.join(
        [
            markdown_table(values, ['row', 'seeds', *properties, 'mean rank']),
            markdown_table(differences, columns),
        ]
    )


def draw_scores(scores: Mapping[str, Scores], path: Path) -> None:
    """Draw every run as a dot and the mean of each row as a bar.

    Args:
        scores (Mapping[str, Scores]): See :func:`load_scores`.
        path (Path): Picture to write.
    """
    figure = Figure(figsize=(3 * len(PROPERTIES), 1 + 0.25 * len(scores)))
    panels = figure.subplots(1, len(PROPERTIES), sharey=True)
    for panel, name in zip(panels, PROPERTIES, strict=True):
        panel.set_title(f'{name}, %')
        for place, found in enumerate(scores.values()):
            values = list(found.get(name, {}).values())
            panel.plot(values, [place] * len(values), 'o', color='0.6', ms=4)
            if values:
                mean = statistics.fmean(values)
                panel.plot(mean, place, '|', color='C0', ms=12, mew=2)
    panels[0].set_yticks(range(len(scores)), list(scores))
    panels[0].invert_yaxis()
    figure.savefig(path, bbox_inches='tight', dpi=100)


def _difference(
    ones: dict[int, float], others: dict[int, float], seedless: bool
) -> str:
    """Compare runs of the same seed; a row without seeds with all."""
    if seedless:
        ones = dict.fromkeys(others, next(iter(ones.values())))
    return _spread(
        [ones[seed] - others[seed] for seed in sorted(ones.keys() & others)],
        '+',
    )


def _spread(values: Sequence[float], sign: str = '') -> str:
    """Write the mean and its standard error."""
    if not values:
        return ''
    mean = f'{statistics.fmean(values):{sign}.1f}'
    if len(values) == 1:
        return mean
    error = statistics.stdev(values) / math.sqrt(len(values))
    return f'{mean} ± {error:.1f}'
