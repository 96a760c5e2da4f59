"""A random permutation of any length, of which no list is kept."""

from __future__ import annotations

import math

import numpy as np

__all__ = ['Permutation']

ROUNDS = 8
# the finaliser of SplitMix64 (Steele et al., "Fast splittable pseudorandom
# number generators", 2014)
MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


class Permutation:
    """A permutation of ``range(length)``, computed where it is asked for.

    A Feistel network over pairs of digits to the bases a and b, where a * b
    is the smallest product of nearly equal numbers that reaches the length;
    what leaves the range goes through it again (Black and Rogaway, "Ciphers
    with arbitrary finite domains", CT-RSA 2002, section 5).

    Args:
        length (int): The number of places, below ``2**62``.
        seed (tuple[int, ...]): Coordinates of the permutation.
    """

    def __init__(self, length: int, seed: tuple[int, ...]) -> None:
        self.length = length
        a = max(1, math.isqrt(max(length - 1, 0)) + 1)
        self.bases = a, max(1, -(-length // a))
        self.keys = np.random.SeedSequence(seed).generate_state(
            ROUNDS, np.uint64
        )

    def __call__(self, places: np.ndarray) -> np.ndarray:
        """Return where places go.

        Args:
            places (np.ndarray): Integers in ``[0, length)``, (N,).

        Returns:
            np.ndarray: Different integers in ``[0, length)``, (N,) int64.
        """
        found = self._network(places.astype(np.uint64))
        while (outside := found >= self.length).any():
            found[outside] = self._network(found[outside])
        return found.astype(np.int64)

    def _network(self, places: np.ndarray) -> np.ndarray:
        a, b = self.bases
        left: np.ndarray = places % np.uint64(a)
        right: np.ndarray = places // np.uint64(a)
        for key in self.keys:
            # left is a digit to the base a; the two change places each round
            mixed = (left + _mix(right ^ key) % np.uint64(a)) % np.uint64(a)
            left, right = right, mixed
            a, b = b, a
        return left + right * np.uint64(a)


def _mix(values: np.ndarray) -> np.ndarray:
    for shift, factor in MIX:
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))
