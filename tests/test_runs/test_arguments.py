import argparse
import ast

import pytest

from m3i_mm.runs.arguments import (
    add_config_options,
    device,
    make_parser,
    number,
    output_file,
    output_folder,
    whole_number,
)
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


@pytest.mark.parametrize(
    ('kind', 'text', 'message'),
    [
        (whole_number(), '0', '0 is no whole number of at least 1'),
        (whole_number(), '-1', '-1 is no whole number of at least 1'),
        (whole_number(), '1.5', "'1.5' is no whole number"),
        (whole_number(0, 9), '10', '10 is no .* of at least 0 and of at most'),
        (number(0, 1), 'nan', 'nan is no number of at least 0'),
        (number(0, 1), 'x', "'x' is no number"),
        (device, 'banana', "no device 'banana'; there is cpu"),
        (device, 'cuda:99', "no device 'cuda:99'; there is cpu"),
    ],
)
def test_what_is_no_number_or_device_is_refused(kind, text, message):
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        kind(text)


def test_numbers_and_devices_pass():
    assert whole_number(0, 9)('9') == 9
    assert number(0, 1)('0.5') == 0.5
    assert device('cpu') == 'cpu'


def test_a_folder_is_made_or_refused(tmp_path):
    assert output_folder(str(tmp_path / 'a/b')) == str(tmp_path / 'a/b')
    (tmp_path / 'file').write_text('')
    with pytest.raises(argparse.ArgumentTypeError, match='cannot be made'):
        output_folder(str(tmp_path / 'file'))


def test_a_wrong_command_line_is_one_line_and_status_2(capsys):
    parser = make_parser('does', 'x --n 1')
    parser.add_argument('--n', type=whole_number())
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(['--n', '0'])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.count('\n') == 1
    assert said.startswith('error: argument --n: 0 is no whole number')


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ("[{'type': 'Adam', 'betas': (0.9, 0.95)}]", None),
        ('[(1,2),(3,4)]', [(1, 2), (3, 4)]),
        ('[cat,dog]', ['cat', 'dog']),
        ('(1e-3,x)', (0.001, 'x')),
        ('1,2', [1, 2]),
        ('[]', []),
    ],
)
def test_lists_of_all_kinds_are_values(text, value):
    parser = make_parser('', '')
    add_config_options(parser)
    args = parser.parse_args(['--cfg-options', f'a.b={text}'])
    wanted = ast.literal_eval(text) if value is None else value
    assert args.cfg_options == {'a.b': wanted}


def test_a_dictionary_that_is_no_literal_tells_the_way_out(capsys):
    parser = make_parser('', '')
    add_config_options(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(['--cfg-options', 'a=[dict(type="Adam",lr=1)]'])
    assert "[{'type': 'Adam'}]" in capsys.readouterr().err
