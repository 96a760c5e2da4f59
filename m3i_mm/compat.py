"""Which OpenMMLab line is installed, and whether it is one we support.

OpenMMLab exists in two lines with the same import names: the original
releases and their maintained continuation, whose distributions start with
``onedl-``. Either works, both together do not.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from packaging.specifiers import SpecifierSet
from packaging.version import Version

__all__ = ['check_dependencies', 'installed_lines']

# 2.5 cannot read checkpoints by the rules here: its torch.serialization does
# not know names for what is safe
OLDEST_TORCH, OLDEST_TORCHVISION = '2.6', '0.21'
# line -> {distribution: supported versions}; only the first two are required
LINES: dict[str, dict[str, str]] = {
    'onedl': {
        'onedl-mmengine': '>=0.10.12',
        'onedl-mmcv': '>=2.3.6',
        'onedl-mmpretrain': '>=1.3.6',
        'onedl-mmdetection': '>=3.5.1',
        'onedl-mmsegmentation': '>=1.4.2',
    },
    'openmmlab': {
        'mmengine': '>=0.10.4,<0.12',
        'mmcv|mmcv-lite': '>=2.0.1,<2.2',
        'mmpretrain': '>=1.2.0,<1.3',
        'mmdet': '>=3.3.0,<3.4',
        'mmsegmentation': '>=1.2.2,<1.3',
    },
}


def _installed(distribution: str) -> tuple[str, str] | None:
    for name in distribution.split('|'):
        try:
            return name, version(name)
        except PackageNotFoundError:
            continue
    return None


def installed_lines() -> dict[str, dict[str, str]]:
    """Return what is installed of each line.

    Returns:
        dict: ``{line: {distribution: version}}``, lines with nothing
        installed left out.
    """
    found = {}
    for line, distributions in LINES.items():
        pairs = (_installed(name) for name in distributions)
        present = dict(pair for pair in pairs if pair is not None)
        if present:
            found[line] = present
    return found


def _check_torch() -> None:
    torch = _installed('torch')
    if torch is not None and Version(torch[1]) < Version(OLDEST_TORCH):
        raise ImportError(
            f'm3i_mm needs torch >= {OLDEST_TORCH}, but {torch[1]} is '
            f"installed. Mend it with: pip install 'torch>={OLDEST_TORCH}' "
            f"'torchvision>={OLDEST_TORCHVISION}'"
        )


def _mend(line: str, wrong: str = '') -> str:
    # an MMCV of another name would stay beside the one of the line
    remove = f'pip uninstall -y {wrong} && ' if wrong else ''
    install = f"pip install --no-cache-dir 'm3i_mm[{line}]'"
    return f'Mend it with: {remove}{install}'


def check_dependencies() -> str:
    """Check that one supported line of OpenMMLab is installed.

    Returns:
        str: The name of the line, ``'onedl'`` or ``'openmmlab'``.

    Raises:
        ImportError: If none, two, or an unsupported version is installed, or
            PyTorch is too old. The message says what is there, what is
            needed, and the command.
    """
    found = installed_lines()
    if not found:
        raise ImportError(
            'm3i_mm needs MMEngine and MMCV, and neither is installed. '
            + _mend('onedl')
        )
    if len(found) > 1:
        both = sorted(name for line in found.values() for name in line)
        raise ImportError(
            'Two lines of OpenMMLab are installed and overwrite each other: '
            f'{", ".join(both)}. Uninstall all of them, then keep one. '
            + _mend('onedl')
        )
    _check_torch()
    ((line, present),) = found.items()
    for position, (names, wanted) in enumerate(LINES[line].items()):
        pair = _installed(names)
        if pair is None:
            if position < 2:
                raise ImportError(
                    f'm3i_mm needs {names.replace("|", " or ")} {wanted}, '
                    f'which is not installed (found: {present}). '
                    + _mend(line)
                )
            continue
        name, number = pair
        if not SpecifierSet(wanted).contains(number, prereleases=True):
            raise ImportError(
                f'm3i_mm needs {name} {wanted}, but {number} '
                f'is installed. ' + _mend(line, wrong=name)
            )
    return line
