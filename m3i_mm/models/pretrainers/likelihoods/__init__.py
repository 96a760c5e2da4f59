"""P^: the distribution of the target given its prediction.

The loss of a target is its negative log-likelihood (paper section 1.3). A
Boltzmann distribution gives a softmax cross-entropy: over all there is to
choose from (``Categorical``), over prototypes that only a teacher knows
(``SoftCategorical``), or over samples (``Contrast``, ``SupervisedContrast``);
independent Bernoulli distributions give ``SigmoidContrast``, a Gaussian the
squared error. Losses are computed in float32 whatever the precision of
training.
"""

from .categorical import Categorical
from .contrast import Contrast, SupervisedContrast
from .gaussian import CrossCorrelation, Gaussian
from .sigmoid_contrast import SigmoidContrast
from .soft_categorical import SoftCategorical

__all__ = [
    'Categorical',
    'Contrast',
    'CrossCorrelation',
    'Gaussian',
    'SigmoidContrast',
    'SoftCategorical',
    'SupervisedContrast',
]
