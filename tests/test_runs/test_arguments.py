import argparse

import pytest

from m3i_mm.runs.arguments import output_file
from m3i_mm.runs.cli import test_parser as parser_of_test_tool

pytestmark = pytest.mark.openmmlab


def test_a_folder_is_made_for_a_file(tmp_path):
    path = str(tmp_path / 'new' / 'metrics.json')
    assert output_file('.json', '.yaml')(path) == path
    assert (tmp_path / 'new').is_dir()


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('metrics.txt', "metrics.txt' must end in .json or .yaml"),
        ('metrics', 'must end in'),
        ('file/metrics.json', 'cannot be made: (File exists|Not a directory)'),
        ('folder.json', "folder.json' cannot be written"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, name, message):
    (tmp_path / 'file').write_text('')
    (tmp_path / 'folder.json').mkdir()
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        output_file('.json', '.yaml')(str(tmp_path / name))


def test_the_test_tool_asks_before_it_evaluates(capsys):
    with pytest.raises(SystemExit):
        parser_of_test_tool().parse_args(['a.py', 'b.pth', '--out', 'c.txt'])
    assert (
        "argument --out: 'c.txt' must end in .json" in capsys.readouterr().err
    )
