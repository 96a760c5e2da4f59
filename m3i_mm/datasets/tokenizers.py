"""Tokenizers: from a text to numbers, by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import torch
from torch import Tensor

from m3i_mm.registry import TOKENIZER
from m3i_mm.utils.names import near_names

__all__ = [
    'CLIPTokenizer',
    'HuggingFaceTokenizer',
    'OpenCLIPTokenizer',
    'Tokenizer',
    'build_tokenizer',
]


class Tokenizer(ABC):
    """Turns a text into a fixed number of token numbers.

    Attributes:
        context_length (int): The number of tokens of every text.
        vocab_size (int): Token numbers are below it.
    """

    context_length: int
    vocab_size: int

    @abstractmethod
    def __call__(self, text: str) -> Tensor:
        """Encode a text.

        Returns:
            Tensor: Long, (context_length,): start token, text, end token, then
            zeros. A longer text is cut, the end token stays.
        """

    @abstractmethod
    def decode(self, tokens: Tensor) -> str:
        """Turn tokens back into text, without start, end and padding."""


@TOKENIZER.register_module()
class CLIPTokenizer(Tokenizer):
    """The byte pair encoding of CLIP, from files that open_clip ships.

    Start is 49406 and end is 49407.

    Args:
        context_length (int): The number of tokens. Defaults to 77.
    """

    def __init__(self, context_length: int = 77) -> None:
        try:
            from open_clip.tokenizer import SimpleTokenizer
        except ImportError as error:
            raise ImportError(
                "CLIP's tokenizer needs open_clip: pip install 'm3i_mm[text]'"
            ) from error
        self.context_length = context_length
        self.encoder = SimpleTokenizer(context_length=context_length)
        self.vocab_size = self.encoder.vocab_size

    def __call__(self, text: str) -> Tensor:
        """Encode a text; see :meth:`Tokenizer.__call__`."""
        return self.encoder(text)[0]

    def decode(self, tokens: Tensor) -> str:
        """Decode tokens; see :meth:`Tokenizer.decode`."""
        special = {0, *self.encoder.all_special_ids}
        kept = [token for token in tokens.tolist() if token not in special]
        return self.encoder.decode(kept).strip()


@TOKENIZER.register_module()
class HuggingFaceTokenizer(Tokenizer):
    """A tokenizer of Hugging Face Transformers.

    Attributes:
        padding (int): The tokenizer's own padding token, 1 for XLM-R.

    Args:
        name (str): A name on the hub, or a folder with the files.
        context_length (int): The number of tokens. Defaults to 77.
    """

    def __init__(self, name: str, context_length: int = 77) -> None:
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise ImportError(
                f'The tokenizer {name!r} needs Transformers: '
                "pip install 'transformers<5'"
            ) from error
        self.context_length = context_length
        self.encoder = AutoTokenizer.from_pretrained(name)
        self.vocab_size = len(self.encoder)
        self.padding = int(self.encoder.pad_token_id or 0)

    def __call__(self, text: str) -> Tensor:
        """Encode a text; see :meth:`Tokenizer.__call__`."""
        ids = self.encoder(
            text, truncation=True, max_length=self.context_length
        )['input_ids']
        tokens = torch.full((self.context_length,), self.padding)
        tokens[: len(ids)] = torch.tensor(ids)
        return tokens

    def decode(self, tokens: Tensor) -> str:
        """Decode tokens; see :meth:`Tokenizer.decode`."""
        return self.encoder.decode(
            tokens[tokens != self.padding], skip_special_tokens=True
        )


@TOKENIZER.register_module()
class OpenCLIPTokenizer(Tokenizer):
    """The tokenizer of an open_clip model, with its cleaning and length.

    SigLIP's, for instance, writes all in lower case without punctuation and
    has 64 tokens; multilingual models have tokenizers of Transformers.

    Attributes:
        padding (int): The tokenizer's own padding token.

    Args:
        name (str): Name of the model, e.g. ``'ViT-B-16-SigLIP'``, or a folder
            that open_clip wrote.
        context_length (int, optional): The number of tokens. Defaults to the
            model's.

    Raises:
        ValueError: If there is no such model, or its tokenizer cannot be
            loaded; near names are proposed.
    """

    def __init__(self, name: str, context_length: int | None = None) -> None:
        try:
            import open_clip
        except ImportError as error:
            raise ImportError(
                f'The tokenizer of {name!r} needs open_clip: '
                "pip install 'm3i_mm[text]'"
            ) from error
        if Path(name).is_dir():
            name = f'local-dir:{name}'
        elif ':' not in name and name not in open_clip.list_models():
            raise ValueError(
                f'open_clip has no model {name!r}.'
                f'{near_names(name, open_clip.list_models())} '
                'open_clip.list_models() lists all names'
            )
        try:
            self.encoder = open_clip.get_tokenizer(name, context_length)
        except Exception as error:  # whatever the network raises
            raise ValueError(
                f'The tokenizer of {name} cannot be loaded: '
                f'{str(error).splitlines()[0]}. Without a network give a '
                'folder that open_clip wrote'
            ) from error
        self.context_length = self.encoder.context_length
        inner = getattr(self.encoder, 'tokenizer', None)
        self.vocab_size = (
            self.encoder.vocab_size if inner is None else len(inner)
        )
        self.padding = 0 if inner is None else int(inner.pad_token_id or 0)
        self._special = {
            self.padding,
            *(self.encoder if inner is None else inner).all_special_ids,
        }

    def __call__(self, text: str) -> Tensor:
        """Encode a text; see :meth:`Tokenizer.__call__`."""
        return self.encoder(text)[0]

    def decode(self, tokens: Tensor) -> str:
        """Decode tokens; see :meth:`Tokenizer.decode`."""
        kept = [t for t in tokens.tolist() if t not in self._special]
        inner = getattr(self.encoder, 'tokenizer', self.encoder)
        return inner.decode(kept).strip()


def build_tokenizer(tokenizer: str | dict) -> Tokenizer:
    """Build a tokenizer from its name or config.

    Args:
        tokenizer (str | dict): ``'clip'``, ``'open_clip:NAME'`` for that of
            a model of open_clip, the name of a Hugging Face tokenizer, or a
            config of the registry ``TOKENIZER``.

    Returns:
        Tokenizer: The tokenizer.
    """
    if isinstance(tokenizer, dict):
        return TOKENIZER.build(tokenizer)
    if tokenizer == 'clip':
        return CLIPTokenizer()
    source, _, name = tokenizer.partition(':')
    if source == 'open_clip':
        return OpenCLIPTokenizer(name)
    return HuggingFaceTokenizer(tokenizer)
