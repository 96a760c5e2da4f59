"""What depends on the version of torch."""

import pytest
import torch
from packaging.version import Version

# tested: 2.11 compiles a step into one graph, 2.6 breaks it at MMEngine's
# decorators and at custom operators
ONE_GRAPH = pytest.mark.skipif(
    Version(torch.__version__) < Version('2.11'),
    reason='this torch breaks the graph',
)
