"""One try of the scenarios that no other test has."""

import random

import pytest

from .scenarios import SCENARIOS


@pytest.mark.parametrize('name', ['damage_samples', 'fill_the_disk'])
def test_scenario(tmp_path, name):
    row = SCENARIOS[name](tmp_path, 1, random.Random(0))
    assert row.held == 1, row.notes
