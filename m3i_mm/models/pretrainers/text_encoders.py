"""f_phi of texts: text encoders."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from m3i_mm.registry import MODELS

from ..utils.attention_pooling import masked_mean

__all__ = ['HuggingFaceTextEncoder', 'OpenCLIPTextEncoder', 'TextTransformer']


@MODELS.register_module()
class TextTransformer(BaseModule):
    """A Transformer encoder with mean pooling, of BERT's architecture.

    The defaults are BERT-Base (Devlin et al., 2019), the text encoder of M3I
    (quoted in OpenGVLab/InternImage#124); the pooling follows the paper's
    Figure 1. Token 0 is padding.

    Args:
        vocab_size (int): Number of tokens. Defaults to 30522, WordPiece.
        out_dims (int): Width of the text feature. Defaults to 768.
        embed_dims (int): Width C. Defaults to 768.
        depth (int): Number of layers. Defaults to 12.
        num_heads (int): Attention heads. Defaults to 12.
        mlp_ratio (float): Hidden width of the MLPs over C. Defaults to 4.
        context_length (int): Most tokens of a text. Defaults to 77.
        dropout (float): Dropout rate. Defaults to 0.1.
    """

    padding = 0

    def __init__(
        self,
        vocab_size: int = 30522,
        out_dims: int = 768,
        embed_dims: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        context_length: int = 77,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.token_embedding = nn.Embedding(
            vocab_size, embed_dims, padding_idx=0
        )
        self.position_embedding = nn.Parameter(
            torch.empty(context_length, embed_dims)
        )
        self.norm = nn.LayerNorm(embed_dims, eps=1e-12)
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(
            embed_dims,
            num_heads,
            int(mlp_ratio * embed_dims),
            dropout,
            activation='gelu',
            layer_norm_eps=1e-12,
            batch_first=True,
        )
        self.layers = nn.TransformerEncoder(
            layer, depth, enable_nested_tensor=False
        )
        self.projection = nn.Linear(embed_dims, out_dims)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        # BERT: normal with a standard deviation of 0.02, biases zero
        for name, parameter in self.named_parameters():
            if name.endswith('bias'):
                nn.init.zeros_(parameter)
            elif parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
        with torch.no_grad():
            self.token_embedding.weight[0].zero_()

    def forward(self, tokens: Tensor) -> Tensor:
        """Encode texts.

        Args:
            tokens (Tensor): Token ids, ``(B, L)``, padded with 0.

        Returns:
            Tensor: Text features of shape ``(B, out_dims)``.

        Raises:
            ValueError: If L is more than ``context_length``.
        """
        length = tokens.shape[1]
        check_length(length, len(self.position_embedding))
        features = self.token_embedding(tokens)
        features = features + self.position_embedding[:length]
        features = self.dropout(self.norm(features))
        padding = tokens == self.padding
        features = self.layers(features, src_key_padding_mask=padding)
        return self.projection(masked_mean(features, ~padding))


@MODELS.register_module()
class HuggingFaceTextEncoder(BaseModule):
    """A text encoder of the ``transformers`` library with mean pooling.

    Attributes:
        padding (int): The model's own padding token, 1 for XLM-R.

    Args:
        name (str): Model name or local folder, e.g. ``'bert-base-uncased'``.
        out_dims (int): Width of the text feature. Defaults to 768.
        pretrained (bool): Whether to load its weights; False builds the
            architecture from its config. Defaults to True.
        frozen (bool): Whether only the projection learns.
            Defaults to False.
    """

    def __init__(
        self,
        name: str,
        out_dims: int = 768,
        pretrained: bool = True,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        try:
            from transformers import AutoConfig, AutoModel
        except ImportError as error:
            raise ImportError(
                'HuggingFaceTextEncoder needs transformers: '
                "pip install 'm3i_mm[transformers]'"
            ) from error
        if pretrained:
            self.model = AutoModel.from_pretrained(name)
        else:
            self.model = AutoModel.from_config(
                AutoConfig.from_pretrained(name)
            )
        self.model.requires_grad_(not frozen)
        self.padding = int(self.model.config.pad_token_id or 0)
        self.vocab_size = int(self.model.config.vocab_size)
        self.projection = nn.Linear(self.model.config.hidden_size, out_dims)

    def forward(self, tokens: Tensor) -> Tensor:
        """Encode token ids ``(B, L)``, padded with ``padding``."""
        mask = tokens != self.padding
        features = self.model(
            input_ids=tokens, attention_mask=mask.long()
        ).last_hidden_state
        return self.projection(masked_mean(features, mask))


@MODELS.register_module()
class OpenCLIPTextEncoder(BaseModule):
    """The text tower of an ``open_clip`` model.

    Args:
        name (str): Model name, e.g. ``'ViT-B-16'``.
        pretrained (str, optional): Tag or file of the weights.
        frozen (bool): Whether the tower stays as it is. Defaults to False.
    """

    def __init__(
        self, name: str, pretrained: str | None = None, frozen: bool = False
    ) -> None:
        super().__init__()
        import open_clip

        self.model: Any = open_clip.create_model(name, pretrained=pretrained)
        # the image tower is not needed
        self.model.visual = None
        self.model.requires_grad_(not frozen)
        tower = getattr(self.model, 'text', self.model)
        embedding = getattr(tower, 'token_embedding', None)
        self.vocab_size = (
            embedding.num_embeddings
            if embedding is not None
            else int(tower.config.vocab_size)
        )
        # towers of Hugging Face take any length and mask the padding
        config = getattr(tower, 'config', None)
        self.context_length = None if config else int(tower.context_length)
        self.padding = int(
            getattr(config, 'pad_token_id', getattr(tower, 'pad_id', 0)) or 0
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Encode texts.

        Args:
            tokens (Tensor): Token ids, ``(B, L)``, padded with ``padding``.

        Returns:
            Tensor: Text features, ``(B, C)``.

        Raises:
            ValueError: If L is more than the context length of the model.
        """
        if self.context_length is not None:
            check_length(tokens.shape[1], self.context_length)
            missing = self.context_length - tokens.shape[1]
            tokens = nn.functional.pad(
                tokens, (0, missing), value=self.padding
            )
        return self.model.encode_text(tokens)


def check_length(length: int, context_length: int) -> None:
    """Raise ValueError if texts are too long for an encoder."""
    if length > context_length:
        raise ValueError(
            f'Texts of {length} tokens do not fit context_length='
            f'{context_length}'
        )
