"""Rooms and floors: who may import whom, and where old names lead."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

from m3i_mm.moved import MODULES

PACKAGE = Path(__file__).parents[1] / 'm3i_mm'
# from the ground up; a room imports from its own floor or below
FLOORS = (
    (
        'compat',
        'inheritance',
        'mmcv_importer',
        'moved',
        'registry',
        'utils',
        'version',
    ),
    ('ops', 'checkpoints'),
    ('datasets', 'models'),
    ('engine',),
    ('runs',),
    ('evaluation',),
    ('apis', 'benchmarks', 'timm', 'visualization'),
    ('reports',),
    ('commands',),
)
FLOOR_OF = {room: n for n, floor in enumerate(FLOORS) for room in floor}


def _imports(path):
    """Yield the m3i_mm modules that a file imports, by absolute name."""
    package = path.relative_to(PACKAGE.parent).with_suffix('').parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding='utf8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            parts = package[: len(package) - node.level + 1]
            yield '.'.join([*parts, node.module or ''])
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_no_arrow_points_up():
    wrong = []
    for path in PACKAGE.rglob('*.py'):
        relative = path.relative_to(PACKAGE)
        if '.mim' in relative.parts or len(relative.parts) == 1:
            continue
        room = relative.parts[0]
        for module in _imports(path):
            parts = module.split('.')
            if parts[0] != 'm3i_mm' or len(parts) == 1:
                continue
            if FLOOR_OF.get(parts[1], 0) > FLOOR_OF[room]:
                wrong.append(f'{relative} imports {module}')
    assert not wrong


@pytest.mark.openmmlab
@pytest.mark.parametrize('old', sorted(MODULES))
def test_an_old_path_works_and_names_the_new_one(old):
    sys.modules.pop(old, None)
    with pytest.warns(FutureWarning, match=f'{old} has moved to') as said:
        module = importlib.import_module(old)
    assert MODULES[old] in str(said[0].message)
    new = importlib.import_module(MODULES[old])
    for name in new.__all__:
        assert getattr(module, name) is getattr(new, name)


@pytest.mark.openmmlab
def test_an_old_name_of_a_module_that_stayed():
    from m3i_mm.models import backbones, internimage

    with pytest.warns(FutureWarning, match='m3i_mm.models.internimage'):
        assert backbones.InternImage is internimage.InternImage
    with pytest.raises(AttributeError, match='no_such_name'):
        _ = backbones.no_such_name
