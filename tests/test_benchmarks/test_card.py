"""Pieces for a card: each is there, has its limit, and runs once."""

import json
from pathlib import Path

from m3i_mm.benchmarks.card import pieces, run_pieces

ROOT = Path(__file__).parents[2]


def test_every_piece_names_files_that_are_there(tmp_path):
    commands = pieces(tmp_path)
    assert next(iter(commands)) == 'right'
    files = {
        argument
        for command in commands.values()
        for argument in command
        if argument.endswith('.py')
    }
    assert len(files) == 9
    assert all((ROOT / file).is_file() for file in files)


def test_pieces_that_succeeded_do_not_run_again(tmp_path):
    count = tmp_path / 'count'
    write = f'open({str(count)!r}, "a").write("x")'
    commands = dict(
        good=['-c', f'{write}; print("found")'],
        bad=['-c', f'{write}; raise SystemExit(3)'],
        slow=['-c', 'import time; print("began", flush=True); time.sleep(60)'],
    )
    for _ in range(2):
        assert run_pieces(commands, tmp_path / 'out', limit=3) == dict(
            good=True, bad=False, slow=False
        )
    assert count.read_text() == 'xxx'
    good, bad, slow = (
        json.loads((tmp_path / f'out/{name}.log.json').read_text())
        for name in commands
    )
    assert (good['status'], bad['status'], slow['status']) == (0, 3, None)
    assert 'found' in good['printed']
    assert 'began' in slow['printed']
