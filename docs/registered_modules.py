"""A Sphinx extension that writes the reference from the package itself.

Before each build it writes ``docs/reference/``: one page for each room of the
package with the docstrings of its modules, and an index of all that is
registered for configs.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / 'docs' / 'reference'
ROOMS = {
    'apis': 'Models by name, features, predictions',
    'models': 'Backbones, InternImage, the pre-training framework',
    'datasets': 'Sources, order, transforms, converters',
    'engine': 'Hooks, optimizers, schedules, strategies',
    'evaluation': 'Frozen features: kNN, linear probe, retrieval',
    'checkpoints': 'Reading, fitting, loading and publishing weights',
    'timm': 'InternImage and published backbones in timm',
    'ops': 'DCNv3, and the stand-in for the compiled ops of MMCV',
    'visualization': 'Pictures of inputs, curves, retrieval, patches',
    'reports': 'One HTML file about runs',
    'runs': 'From a config to a run',
    'benchmarks': 'Speed, memory and operations',
}


def public_modules(room: str) -> list[str]:
    """Return the modules of a room that say what they export.

    Args:
        room (str): A folder of the package.

    Returns:
        list[str]: Dotted names in sorted order, packages left out: they
        export what their modules define.
    """
    found = []
    for path in sorted((ROOT / 'm3i_mm' / room).rglob('*.py')):
        tree = ast.parse(path.read_text(encoding='utf8'))
        names = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        if path.name != '__init__.py' and '__all__' in names:
            parts = path.relative_to(ROOT).with_suffix('').parts
            found.append('.'.join(parts))
    return found


def registered() -> dict[str, dict[str, Any]]:
    """Return what configs can name, by the kind of registry.

    Returns:
        dict[str, dict[str, type]]: Classes and functions of this package by
        registry and name, each in sorted order.
    """
    from mmengine.registry import Registry

    import m3i_mm.registry as nodes
    from m3i_mm.utils import register_all_modules

    register_all_modules()
    found = {}
    for node in vars(nodes).values():
        if isinstance(node, Registry):
            own = {
                name: entry
                for name, entry in sorted(node.module_dict.items())
                if entry.__module__.startswith('m3i_mm.')
            }
            if own:
                found[node.name] = own
    return dict(sorted(found.items()))


def _room_page(room: str, title: str) -> str:
    lines = [f'# m3i_mm.{room}', '', f'{title}.', '']
    for module in public_modules(room):
        lines += [
            f'## {module.removeprefix("m3i_mm.")}',
            '',
            '```{eval-rst}',
            f'.. automodule:: {module}',
            '   :members:',
            '   :ignore-module-all:',
            '   :show-inheritance:',
            '```',
            '',
        ]
    return '\n'.join(lines)


def _index_page() -> str:
    lines = [
        '# Registered modules',
        '',
        "What `type='m3i_mm.NAME'` finds in a config of any OpenMMLab "
        'project.',
        '',
    ]
    for kind, entries in registered().items():
        lines += [f'## {kind}', '', '| name | what it is |', '|---|---|']
        for name, entry in entries.items():
            doc = inspect.getdoc(entry) or ''
            first = doc.split('\n\n')[0].replace('\n', ' ').replace('|', r'\|')
            kind_of = 'class' if inspect.isclass(entry) else 'func'
            place = f'{entry.__module__}.{entry.__qualname__}'
            link = f'{{py:{kind_of}}}`{name} <{place}>`'
            lines.append(f'| {link} | {first} |')
        lines.append('')
    return '\n'.join(lines)


def write_reference(app: Any = None) -> None:
    """Write the pages below ``docs/reference``."""
    REFERENCE.mkdir(exist_ok=True)
    pages = {'modules': _index_page()}
    pages.update({r: _room_page(r, title) for r, title in ROOMS.items()})
    for name, text in pages.items():
        file = REFERENCE / f'{name}.md'
        # Sphinx builds anew what has another date
        if not file.is_file() or file.read_text(encoding='utf8') != text:
            file.write_text(text, encoding='utf8')


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect('config-inited', lambda app, _: write_reference(app))
    return dict(parallel_read_safe=True, parallel_write_safe=True)
