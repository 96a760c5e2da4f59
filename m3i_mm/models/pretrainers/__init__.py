"""M3I: one module per symbol of the mutual-information objective.

=====================  =======================================================
``inputs``             t_x, what the encoder sees
``encoders``           f_theta, the online, momentum and frozen image encoders
``targets``            t_y and f_phi, what is predicted
``decoders``           f_psi, from the one to the other
``likelihoods``        P^, how a prediction is scored
``m3i``                the sum over targets
=====================  =======================================================
"""

from .batch import Batch, MissingInputError
from .decoders import (
    AttentionPoolingDecoder,
    DenseDecoder,
    PoolingDecoder,
    TransformerDecoder,
)
from .encoders import FrozenEncoder, MomentumEncoder
from .inputs import (
    BothViews,
    DropPatches,
    FillPixels,
    MaskToken,
    PatchMask,
    PatchMix,
    SingleView,
)
from .likelihoods import Boltzmann, CrossCorrelation, Gaussian
from .m3i import M3I
from .masks import BlockMask, UniformMask
from .negatives import BatchNegatives, QueueNegatives
from .regularizers import UniGradTerm
from .targets import (
    CategoryTarget,
    CodeTarget,
    DenseFeatures,
    GlobalFeatures,
    MatchedFeatures,
    Pixels,
    RandomProjectionTokenizer,
    TextTarget,
)
from .text_encoders import (
    HuggingFaceTextEncoder,
    OpenCLIPTextEncoder,
    TextTransformer,
)
from .tokens import ImageTokens
from .weights import FixedWeights, LearnedWeights

__all__ = [
    'M3I',
    'AttentionPoolingDecoder',
    'Batch',
    'BatchNegatives',
    'BlockMask',
    'Boltzmann',
    'BothViews',
    'CategoryTarget',
    'CodeTarget',
    'CrossCorrelation',
    'DenseDecoder',
    'DenseFeatures',
    'DropPatches',
    'FillPixels',
    'FixedWeights',
    'FrozenEncoder',
    'Gaussian',
    'GlobalFeatures',
    'HuggingFaceTextEncoder',
    'ImageTokens',
    'LearnedWeights',
    'MaskToken',
    'MatchedFeatures',
    'MissingInputError',
    'MomentumEncoder',
    'OpenCLIPTextEncoder',
    'PatchMask',
    'PatchMix',
    'Pixels',
    'PoolingDecoder',
    'QueueNegatives',
    'RandomProjectionTokenizer',
    'SingleView',
    'TextTarget',
    'TextTransformer',
    'TransformerDecoder',
    'UniGradTerm',
    'UniformMask',
]
