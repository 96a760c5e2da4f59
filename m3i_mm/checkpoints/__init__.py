"""Files of weights: reading them safely, loading them, publishing them.

==============  =============================================================
``reading``     any file or address, without running code that it carries
``folders``     those that many processes wrote at once
``addresses``   downloads, and the names of the libraries' zoos
``released``    the files of InternImage's authors: address, config, numbers
``comparing``   names and shapes that are wanted with those that are given
``fitting``     whether a file fits a model: one comparison, one message
``loading``     into a model; ``init_cfg`` of every backbone
``latest``      the checkpoint from which a run continues
``writing``     files that are replaced as a whole
``publishing``  one encoder of a training checkpoint for others to load
==============  =============================================================
"""

from .errors import CheckpointError, MissingCheckpointError
from .latest import find_latest
from .loading import install, load_weights
from .publishing import average_checkpoints, publish
from .reading import read_checkpoint
from .released import released_files

__all__ = [
    'CheckpointError',
    'MissingCheckpointError',
    'average_checkpoints',
    'find_latest',
    'install',
    'load_weights',
    'publish',
    'read_checkpoint',
    'released_files',
]
