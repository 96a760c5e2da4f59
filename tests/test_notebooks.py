"""The notebooks run from their first cell to their last."""

from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[1] / 'docs/notebooks'
# words that the last output of each has
RESULTS = dict(
    pretrain='torch.Size([12, 128])', finetune='score', search='1.000'
)


@pytest.mark.parametrize('name', RESULTS)
def test_a_notebook_runs(name, monkeypatch):
    jupytext = pytest.importorskip('jupytext')
    nbclient = pytest.importorskip('nbclient')
    pytest.importorskip('ipykernel')
    root = str(NOTEBOOKS.parents[1])
    monkeypatch.setenv('PYTHONPATH', root)
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    notebook = jupytext.read(NOTEBOOKS / f'{name}.py')
    nbclient.NotebookClient(
        notebook,
        kernel_name='python3',
        timeout=600,
        resources=dict(metadata=dict(path=str(NOTEBOOKS))),
    ).execute()
    outputs = notebook.cells[-1].outputs
    said = ''.join(output.get('text', '') for output in outputs)
    assert RESULTS[name] in said
