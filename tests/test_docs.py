"""What the documents show works as they show it."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

ROOT = Path(__file__).parents[1]
DOCS = ROOT / 'docs'


def blocks(page, language):
    """Return the code blocks of a page."""
    text = (DOCS / page).read_text(encoding='utf8')
    return re.findall(rf'```{language}\n(.*?)```', text, re.DOTALL)


def test_a_new_target():
    from m3i_mm.registry import MODELS

    target, config = blocks('extend.md', 'python')[:2]
    exec(target, {})
    cfg = Config.fromfile(ROOT / 'tests/toy/m3i.py')
    settings: dict = {}
    exec(config, settings)
    cfg.model.objectives = settings['model']['objectives']
    cfg.model.input = dict(type='SingleView')
    model = MODELS.build(cfg.model)
    images = torch.rand(4, 3, 16, 16)
    loss = model([images], mode='loss')['loss_color']
    assert loss > 0
    loss.backward()
    assert model.decoders['color'] is not None
    (sample, *_) = model.eval()(images, mode='predict')
    assert sample.mean_color.shape == (3,)


@pytest.mark.parametrize('page', sorted(p.name for p in DOCS.glob('*.md')))
def test_commands_name_what_there_is(page):
    """Every config, script and command of a shell block exists."""
    from m3i_mm.commands import COMMANDS

    for block in blocks(page, 'shell'):
        for line in block.replace('\\\n', ' ').splitlines():
            for name in re.findall(r'(?:tools|projects)/\S+\.(?:py|sh)', line):
                assert (ROOT / name).is_file(), (page, name)
            for name in re.findall(r'\s([a-z_0-9]+/[\w-]+\.py)', line):
                places = (ROOT, ROOT / 'configs')
                assert any((place / name).is_file() for place in places), name
            command = re.match(r'm3i ((?:data )?[a-z-]+)', line)
            if command:
                assert command[1] in COMMANDS, (page, line)
