"""A report holds what the work folder holds, and nothing runs in it."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from m3i_mm.reports import RunFolderError, read_run, write_html_report
from m3i_mm.reports.charts import COLORS, draw_chart
from m3i_mm.runs.manifest import describe_run, write_manifest

STEPS = [
    dict(loss=3.0, loss_text=1.0, effective_rank=9.5, lr=0.1, step=10),
    dict(loss=2.0, loss_text=0.5, effective_rank=8.25, lr=0.2, step=20),
    {'knn/group_top1': 31.25, 'step': 1},
]
RESULTS = {
    'chance': {'knn/group_top1': 21.25},
    'M3I': {'knn/group_top1': 42.5, 'linear/group_top1': 46.5},
}
FAULTS = {
    'photos': dict(
        samples=100,
        faults=dict(
            decode=dict(
                count=2,
                examples=[dict(key='<b>a.jpg', reason='truncated & short')],
            )
        ),
    )
}


def make_run(folder, steps=STEPS, **options):
    """Write what a run leaves: a log, a config, a manifest."""
    start = folder / '20260101_000000'
    (start / 'vis_data').mkdir(parents=True)
    (start / 'vis_data' / 'scalars.json').write_text(
        '\n'.join(json.dumps(step) for step in steps)
    )
    write_manifest(str(start))
    options = dict(seed=0, **options)
    (folder / 'config.py').write_text(
        '\n'.join(f'{name} = {value!r}' for name, value in options.items())
    )
    return folder


class Page(HTMLParser):
    """The tags and the text of a page."""

    void = ('meta', 'link', 'img')

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.open, self.addresses = [], '', [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ('src', 'href')]
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_one_run(tmp_path, monkeypatch):
    monkeypatch.setattr('sys.argv', ['train.py', 'mine.py'])
    run = make_run(tmp_path / 'run')
    (run / 'results.json').write_text(json.dumps(dict(results=RESULTS)))
    (run / 'data_report.json').write_text(json.dumps(FAULTS))
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(
        run / 'mixed_inputs.png'
    )
    html = write_html_report([run], tmp_path / 'new/r.html').read_text()
    page = Page(html)
    assert not page.open
    for said in (
        'knn/group_top1',
        '42.5',
        '21.2',
        '<b>a.jpg',
        'truncated & short',
        'last effective rank 8.2',
        'train.py mine.py',
    ):
        assert said in page.text
    assert 'b' not in page.tags
    assert 'script' not in page.tags
    # four losses, rates and monitors, and one metric
    assert page.tags.count('svg') == 5
    assert page.tags.count('img') == 1
    # nothing is fetched: pictures are in the file, links are on the page
    assert all(a.startswith(('data:', '#')) for a in page.addresses)
    assert 'collapsed' not in page.text
    # a dash where chance has no such metric, the best in bold
    row = re.search(r'<td>linear/group_top1</td>(.*?)</tr>', html)[1]
    assert '>-<' in row
    assert 'best">46.5' in row


def test_runs_side_by_side(tmp_path):
    one = make_run(tmp_path / 'a/run', lr=0.1)
    two = make_run(tmp_path / 'b/run', lr=0.2)
    html = write_html_report([one, two], tmp_path / 'r.html').read_text()
    page = Page(html)
    assert str(one) in page.text
    assert 'What differs' in page.text
    differences = html.split('What differs')[1].split('</table>')[0]
    assert '<code>lr</code>' in differences
    assert 'seed' not in differences
    assert COLORS[0] in html
    assert COLORS[1] in html
    with pytest.raises(ValueError, match='same run twice'):
        write_html_report([one, one], tmp_path / 'r.html')


def test_a_collapse_is_said(tmp_path):
    collapsed = [dict(effective_rank=1.02, loss=1.0, step=10)]
    run = make_run(tmp_path / 'run', collapsed)
    page = Page(write_html_report([run], tmp_path / 'r.html').read_text())
    assert 'last effective rank 1.0: collapsed' in page.text


def test_the_last_validation_stands_in_for_results(tmp_path):
    found = read_run(make_run(tmp_path / 'run'))
    assert found.results == {'this run': {'knn/group_top1': 31.25}}


def test_a_test_of_the_run_is_in_its_results(tmp_path):
    run = make_run(tmp_path / 'run')
    test = run / '20260102_000000' / '20260102_000000.json'
    test.parent.mkdir()
    test.write_text('{"knn/label_top1": 17.5, "time": 2.0}')
    assert read_run(run).results == {
        'this run': {'knn/group_top1': 31.25, 'knn/label_top1': 17.5}
    }


def test_metrics_of_segmentation_and_detection_are_percentages(tmp_path):
    logged = [
        {'loss': 2.0, 'decode.acc_seg': 58.7, 'iter': 6, 'step': 6},
        {'aAcc': 38.4, 'mIoU': 10.9, 'time': 2.0, 'step': 1},
        {'coco/bbox_mAP': 0.25, 'coco/bbox_mAP_s': -1.0, 'step': 1},
    ]
    found = read_run(make_run(tmp_path / 'run', logged))
    assert found.results == {
        'this run': {'aAcc': 38.4, 'mIoU': 10.9, 'coco/bbox_mAP': 25.0}
    }


def test_folders_that_are_no_runs(tmp_path):
    with pytest.raises(RunFolderError, match='There is no folder'):
        read_run(tmp_path / 'nowhere')
    with pytest.raises(RunFolderError, match=r'no \*/vis_data/scalars.json'):
        read_run(tmp_path)
    run = make_run(tmp_path / 'run')
    (run / 'data_report.json').write_text('{"a": ')
    with pytest.raises(ValueError, match='data_report.json is damaged'):
        read_run(run)
    with pytest.raises(ValueError, match='needs the work folder'):
        write_html_report([], tmp_path / 'r.html')


def test_a_chart_takes_the_colors_of_the_page():
    svg = draw_chart({'a': {1: 0.5, 2: 1.0}}, 'loss', 'iteration')
    assert svg.startswith('<svg')
    assert 'currentColor' in svg
    assert '#010203' not in svg
    assert svg == draw_chart({'a': {1: 0.5, 2: 1.0}}, 'loss', 'iteration')


def test_the_manifest_names_versions_and_code(tmp_path, monkeypatch):
    found = describe_run()
    assert {'m3i_mm', 'torch', 'python'} < found['versions'].keys()
    assert any('mmengine' in name for name in found['versions'])
    monkeypatch.chdir(tmp_path)
    assert describe_run()['git'] is None
