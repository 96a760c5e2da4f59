"""M3I: one module per symbol of the mutual-information objective.

=====================  =======================================================
``inputs``             t_x, what the encoder sees
``encoders``           f_theta, the online, momentum and frozen image encoders
``teachers``           foundation models of other libraries
``targets``            t_y and f_phi, what is predicted
``decoders``           f_psi, from the one to the other
``likelihoods``        P^, how a prediction is scored
``m3i``                the sum over targets
``inference``          what a trained model says of images and texts
=====================  =======================================================
"""

from .assignments import Centering, Sinkhorn
from .batch import Batch, MissingInputError
from .decoders import (
    AttentionPoolingDecoder,
    DenseDecoder,
    PoolingDecoder,
    TransformerDecoder,
)
from .encoders import FrozenEncoder, MomentumEncoder
from .fills import DropPatches, FillPixels, MaskToken
from .inference import InferenceModel
from .inputs import (
    BothViews,
    CombinedInputs,
    MultiCrop,
    PatchMask,
    PatchMix,
    SingleView,
)
from .likelihoods import (
    Categorical,
    Contrast,
    CrossCorrelation,
    Gaussian,
    SigmoidContrast,
    SoftCategorical,
    SupervisedContrast,
)
from .likelihoods.categorical import Boltzmann
from .m3i import M3I
from .masks import BlockMask, Mask, MaskError, UniformMask
from .negatives import BatchNegatives, QueueNegatives
from .places import Places
from .projectors import PrototypeHead, TokenProjector
from .regularizers import UniGradTerm
from .targets import (
    CategoryTarget,
    ChannelStatistics,
    Choices,
    CodeTarget,
    DenseFeatures,
    Features,
    GlobalFeatures,
    MatchedFeatures,
    Needs,
    Pixels,
    ProjectedFeatures,
    RandomProjectionTokenizer,
    TextTarget,
)
from .teachers import Teacher
from .text_encoders import (
    HuggingFaceTextEncoder,
    OpenCLIPTextEncoder,
    TextTransformer,
)
from .tokens import ImageTokens
from .weights import FixedWeights, LearnedWeights

__all__ = [
    'AttentionPoolingDecoder',
    'Batch',
    'BatchNegatives',
    'BlockMask',
    'Boltzmann',
    'BothViews',
    'Categorical',
    'CategoryTarget',
    'Centering',
    'ChannelStatistics',
    'Choices',
    'CodeTarget',
    'CombinedInputs',
    'Contrast',
    'CrossCorrelation',
    'DenseDecoder',
    'DenseFeatures',
    'DropPatches',
    'Features',
    'FillPixels',
    'FixedWeights',
    'FrozenEncoder',
    'Gaussian',
    'GlobalFeatures',
    'HuggingFaceTextEncoder',
    'ImageTokens',
    'InferenceModel',
    'LearnedWeights',
    'M3I',
    'Mask',
    'MaskError',
    'MaskToken',
    'MatchedFeatures',
    'MissingInputError',
    'MomentumEncoder',
    'MultiCrop',
    'Needs',
    'OpenCLIPTextEncoder',
    'PatchMask',
    'PatchMix',
    'Pixels',
    'Places',
    'PoolingDecoder',
    'ProjectedFeatures',
    'PrototypeHead',
    'QueueNegatives',
    'RandomProjectionTokenizer',
    'SigmoidContrast',
    'SingleView',
    'Sinkhorn',
    'SoftCategorical',
    'SupervisedContrast',
    'Teacher',
    'TextTarget',
    'TextTransformer',
    'TokenProjector',
    'TransformerDecoder',
    'UniGradTerm',
    'UniformMask',
]
