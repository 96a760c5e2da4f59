"""Reports: what a run left in its folder, as one HTML file."""

from .card_facts import card_facts
from .html import write_html_report
from .pictures import draw_run
from .run_folder import RunFolder, RunFolderError, read_run

__all__ = [
    'RunFolder',
    'RunFolderError',
    'card_facts',
    'draw_run',
    'read_run',
    'write_html_report',
]
