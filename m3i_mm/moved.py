"""Old import paths, which work for one release and say the new place.

``FutureWarning`` is what Python shows by default, also when the import stands
in another library.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ['MovedModules', 'install_moved_modules', 'moved_names']

_INTERNIMAGE = 'm3i_mm.models.internimage'
# old module -> the one that has its names now
MODULES = {
    'm3i_mm.datasets.benchmark': 'm3i_mm.benchmarks.pipelines',
    'm3i_mm.datasets.benchmark.bottleneck': 'm3i_mm.benchmarks.bottleneck',
    'm3i_mm.datasets.benchmark.pipelines': 'm3i_mm.benchmarks.pipelines',
    'm3i_mm.models.backbones.composite_internimage': (
        f'{_INTERNIMAGE}.composite'
    ),
    'm3i_mm.models.backbones.dcnv3': f'{_INTERNIMAGE}.dcnv3',
    'm3i_mm.models.backbones.internimage': f'{_INTERNIMAGE}.backbone',
    'm3i_mm.models.backbones.internimage_archs': f'{_INTERNIMAGE}.archs',
    'm3i_mm.models.backbones.internimage_checkpoint': (
        f'{_INTERNIMAGE}.released_loading'
    ),
    'm3i_mm.models.backbones.internimage_conversion': (
        f'{_INTERNIMAGE}.conversion'
    ),
    'm3i_mm.models.backbones.internimage_layers': f'{_INTERNIMAGE}.layers',
    'm3i_mm.models.backbones.internimage_names': (
        f'{_INTERNIMAGE}.released_names'
    ),
    'm3i_mm.models.classifiers': f'{_INTERNIMAGE}.classifier',
    'm3i_mm.models.downstream_checkpoint': (
        f'{_INTERNIMAGE}.released_detectors'
    ),
    'm3i_mm.models.necks.internimage_necks': f'{_INTERNIMAGE}.necks',
    'm3i_mm.models.pretrainers.official_names': f'{_INTERNIMAGE}.released_m3i',
    'm3i_mm.ops.deform_conv_v3.rivals': 'm3i_mm.benchmarks.baselines',
    'm3i_mm.utils.backbone_benchmark': 'm3i_mm.benchmarks.backbone',
    'm3i_mm.utils.benchmark': 'm3i_mm.benchmarks.measure',
    'm3i_mm.utils.checkpoint': 'm3i_mm.checkpoints.reading',
    'm3i_mm.utils.cli': 'm3i_mm.runs.cli',
    'm3i_mm.utils.complexity': 'm3i_mm.benchmarks.complexity',
    'm3i_mm.utils.config_check': 'm3i_mm.runs.config_check',
    'm3i_mm.utils.data_root': 'm3i_mm.runs.data_root',
    'm3i_mm.utils.dataset_errors': 'm3i_mm.runs.dataset_errors',
    'm3i_mm.utils.dcnv3_benchmark': 'm3i_mm.benchmarks.dcnv3',
    'm3i_mm.utils.distributed': 'm3i_mm.runs.processes',
    'm3i_mm.utils.memory_plan': 'm3i_mm.benchmarks.memory_plan',
    'm3i_mm.utils.pretrain_benchmark': 'm3i_mm.benchmarks.pretraining',
    'm3i_mm.utils.publish': 'm3i_mm.checkpoints.publishing',
    'm3i_mm.utils.run_config': 'm3i_mm.runs.config',
    'm3i_mm.utils.weights': 'm3i_mm.checkpoints.loading',
}


def _warn(old: str, new: str, stacklevel: int) -> None:
    warnings.warn(
        f'{old} has moved to {new}; the old name ends with the next release',
        FutureWarning,
        stacklevel=stacklevel,
    )


class MovedModules(MetaPathFinder, Loader):
    """Finder and loader of the modules of :data:`MODULES`."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return a specification for an old name, ``None`` for others."""
        if fullname not in MODULES:
            return None
        is_package = any(name.startswith(f'{fullname}.') for name in MODULES)
        return ModuleSpec(fullname, self, is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        """Give the old module the names of the new one, and say so."""
        new = MODULES[module.__name__]
        _warn(module.__name__, new, stacklevel=2)
        names = vars(import_module(new)).items()
        module.__dict__.update(
            {name: value for name, value in names if name[:2] != '__'}
        )


def install_moved_modules() -> None:
    """Append the finder to ``sys.meta_path``, once."""
    if not any(isinstance(f, MovedModules) for f in sys.meta_path):
        sys.meta_path.append(MovedModules())


def moved_names(module: str, places: dict[str, str]) -> Callable[[str], Any]:
    """Make a module's ``__getattr__`` for names that went elsewhere.

    Args:
        module (str): ``__name__`` of the module.
        places (dict[str, str]): Name to the module that has it now.

    Returns:
        Callable: The function of PEP 562.
    """

    def lookup(name: str) -> Any:
        if name not in places:
            raise AttributeError(f'module {module!r} has no {name!r}')
        _warn(f'{module}.{name}', f'{places[name]}.{name}', stacklevel=3)
        return getattr(import_module(places[name]), name)

    return lookup
