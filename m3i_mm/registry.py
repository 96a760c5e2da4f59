"""Registry nodes of m3i_mm.

Every node is a child of MMEngine's root node of the same kind, with the scope
``m3i_mm``, so ``type='m3i_mm.InternImage'`` resolves from MMPretrain,
MMDetection and MMSegmentation configs without ``custom_imports``: the lookup
imports the node's ``locations`` the first time.

A registered class is mirrored into the parent as well. All OpenMMLab scopes
search their ancestors, so after ``import m3i_mm.models`` the plain
``type='M3I'`` works in an MMPretrain project, and this module needs to import
none of those libraries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine import registry as roots
from mmengine.registry import DefaultScope
from mmengine.registry import Registry as _Registry

__all__ = [
    'DATASETS',
    'DATA_SAMPLERS',
    'EVALUATOR',
    'FUNCTIONS',
    'HOOKS',
    'LOOPS',
    'METRICS',
    'MODELS',
    'OPTIM_WRAPPERS',
    'OPTIM_WRAPPER_CONSTRUCTORS',
    'PARAM_SCHEDULERS',
    'STRATEGIES',
    'TOKENIZER',
    'TRANSFORMS',
    'VISUALIZERS',
    'Registry',
]

SCOPE = 'm3i_mm'


def _surrounding_scope() -> str:
    """Return the default scope in force around ours, else MMPretrain's."""
    scopes = [s.scope_name for s in DefaultScope._instance_dict.values()]
    return next((s for s in reversed(scopes) if s != SCOPE), 'mmpretrain')


class Registry(_Registry):
    """A child registry that mirrors what it holds into its parent.

    A name that the parent already knows stays the parent's; ours is then
    reached by its scope, ``m3i_mm.Name``.
    """

    def get(self, key: str) -> Any:
        """Return the class of that name.

        MMEngine marks all that a config inherits from ``m3i_mm::`` with our
        scope. The configs are written for the scope of the task's library,
        so a name that is unknown here is looked up there.

        Args:
            key (str): The name, or scope and name.

        Returns:
            type | None: The class, ``None`` if nothing has that name.
        """
        found = super().get(key)
        if found is None and '.' not in key:
            found = super().get(f'{_surrounding_scope()}.{key}')
        return found

    def _register_module(
        self,
        module: Callable[..., Any],
        module_name: str | list[str] | None = None,
        force: bool = False,
    ) -> None:
        super()._register_module(module, module_name, force)
        names = module_name or module.__name__
        for name in [names] if isinstance(names, str) else names:
            if self.parent is not None and (
                force or name not in self.parent.module_dict
            ):
                self.parent.register_module(name, force, module)


def _node(root: _Registry, *locations: str) -> Registry:
    return Registry(
        root.name,
        parent=root,
        scope=SCOPE,
        locations=[f'm3i_mm.{location}' for location in locations],
    )


DATASETS = _node(roots.DATASETS, 'datasets')
DATA_SAMPLERS = _node(roots.DATA_SAMPLERS, 'datasets')
EVALUATOR = _node(roots.EVALUATOR, 'evaluation')
# collate and worker-init functions
FUNCTIONS = _node(roots.FUNCTIONS, 'datasets')
HOOKS = _node(roots.HOOKS, 'engine')
LOOPS = _node(roots.LOOPS, 'engine', 'evaluation')
METRICS = _node(roots.METRICS, 'evaluation')
MODELS = _node(roots.MODELS, 'models')
OPTIM_WRAPPER_CONSTRUCTORS = _node(roots.OPTIM_WRAPPER_CONSTRUCTORS, 'engine')
OPTIM_WRAPPERS = _node(roots.OPTIM_WRAPPERS, 'engine')
PARAM_SCHEDULERS = _node(roots.PARAM_SCHEDULERS, 'engine')
STRATEGIES = _node(roots.STRATEGIES, 'engine')
# MMEngine has no root node for tokenizers
TOKENIZER = Registry('tokenizer', scope=SCOPE, locations=['m3i_mm.datasets'])
TRANSFORMS = _node(roots.TRANSFORMS, 'datasets')
VISUALIZERS = _node(roots.VISUALIZERS, 'visualization')

# Nothing of ours, but MMEngine warns of a scope that has no node.
_node(roots.TASK_UTILS, 'models')
_node(roots.VISBACKENDS, 'visualization')
