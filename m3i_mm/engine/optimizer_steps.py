"""Count optimizer steps, which gradient accumulation makes rarer."""

from __future__ import annotations

from typing import Any

__all__ = ['accumulated_iterations', 'is_optimizer_step', 'step_progress']


def accumulated_iterations(runner: Any) -> int:
    """Return how many iterations make one optimizer step.

    Args:
        runner (Runner): A runner whose optimizer wrapper is built.
    """
    return runner.optim_wrapper._accumulative_counts


def is_optimizer_step(runner: Any) -> bool:
    """Say whether the iteration that just ended updated the weights.

    Args:
        runner (Runner): The runner, in ``after_train_iter``.
    """
    done = runner.iter + 1
    return (
        done % accumulated_iterations(runner) == 0 or done == runner.max_iters
    )


def step_progress(runner: Any) -> float:
    """Return the optimizer steps before this iteration over all steps.

    Args:
        runner (Runner): The runner.

    Returns:
        float: In [0, 1).
    """
    accumulated = accumulated_iterations(runner)
    total = -(-runner.max_iters // accumulated)
    return (runner.iter // accumulated) / total
