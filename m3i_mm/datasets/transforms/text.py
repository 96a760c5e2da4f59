"""Texts from the fields of a sample."""

from __future__ import annotations

import html
import string
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from m3i_mm.registry import TRANSFORMS

from ..faults import SampleError
from ..tokenizers import Tokenizer, build_tokenizer
from .labels import get_field

__all__ = ['ChooseText', 'CleanText', 'Tokenize']


@TRANSFORMS.register_module()
class ChooseText(BaseTransform):
    """Compose the text of a sample from its fields.

    **Required Keys:** ``fields``, ``sample_key``

    **Added Keys:** ``text`` (str)

    Args:
        templates (str | Sequence[str]): Format strings over the fields, e.g.
            ``'a photo of {name}; {keywords}'``; one is drawn at random.
            Defaults to ``'{text}'``.
        pick (Sequence[str]): Fields of which, where they hold a list, one
            entry is drawn: several captions of one picture. Entries of other
            lists are joined by commas. Defaults to ``('text',)``.
        skip_empty (bool): Count a sample without text as a fault instead of
            ending the run. Defaults to False.
    """

    def __init__(
        self,
        templates: str | Sequence[str] = '{text}',
        pick: Sequence[str] = ('text',),
        skip_empty: bool = False,
    ) -> None:
        super().__init__()
        self.templates = (
            [templates] if isinstance(templates, str) else list(templates)
        )
        self.pick = set(pick)
        self.skip_empty = skip_empty
        self.names = [
            [name for _, name, _, _ in string.Formatter().parse(template)]
            for template in self.templates
        ]

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the text.

        Raises:
            KeyError: If a field is missing.
            ValueError: If the text is empty.
            SampleError: If it is, and such samples are to be skipped.
        """
        which = 0
        if len(self.templates) > 1:
            which = np.random.randint(len(self.templates))
        values = {
            name: self._value(name, get_field(results, name))
            for name in self.names[which]
            if name
        }
        text = self.templates[which].format(**values).strip()
        if not text or (values and not any(map(str, values.values()))):
            key = results['sample_key']
            if self.skip_empty:
                raise SampleError('text', key, f'{sorted(values)} is empty')
            raise ValueError(
                f'The text of sample {key!r} is empty (fields '
                f'{sorted(values)}). Set skip_empty=True to go on without it'
            )
        results['text'] = text
        return results

    def _value(self, name: str, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        if name in self.pick:
            return value[np.random.randint(len(value))] if value else ''
        return ', '.join(map(str, value))


@TRANSFORMS.register_module()
class CleanText(BaseTransform):
    """Mend a text from the web.

    Entities are resolved, white space becomes single spaces, and wrongly
    decoded characters are mended (``ftfy``).

    **Required Keys:** ``text``

    **Modified Keys:** ``text``

    Args:
        fix_encoding (bool): Whether to use ftfy. Defaults to True.
        lower (bool): Whether to turn it to lower case. Defaults to False.
        max_words (int, optional): Words after these are cut off.
    """

    def __init__(
        self,
        fix_encoding: bool = True,
        lower: bool = False,
        max_words: int | None = None,
    ) -> None:
        super().__init__()
        self.fix_encoding = fix_encoding
        self.lower = lower
        self.max_words = max_words

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace ``text``."""
        # twice, because the web escapes twice
        text = html.unescape(html.unescape(results['text']))
        if self.fix_encoding:
            import ftfy

            text = ftfy.fix_text(text)
        words = text.split()[: self.max_words]
        text = ' '.join(words)
        results['text'] = text.lower() if self.lower else text
        return results


@TRANSFORMS.register_module()
class Tokenize(BaseTransform):
    """Turn ``text`` into token numbers.

    **Required Keys:** ``text``, ``sample_key``

    **Added Keys:** ``text_tokens``, LongTensor (L,), padded with zeros

    Args:
        tokenizer (str | dict): See
            :func:`~m3i_mm.datasets.tokenizers.build_tokenizer`. Defaults to
            ``'clip'``.
    """

    def __init__(self, tokenizer: str | dict = 'clip') -> None:
        super().__init__()
        self.tokenizer: Tokenizer = build_tokenizer(tokenizer)
        # texts come back every epoch
        self._encode = lru_cache(maxsize=2**16)(self.tokenizer)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the tokens.

        Raises:
            ValueError: If the text is empty.
        """
        text = results['text'].strip()
        if not text:
            raise ValueError(
                f'The text of sample {results["sample_key"]!r} is empty'
            )
        results['text_tokens'] = self._encode(text)
        return results

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != '_encode'}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._encode = lru_cache(maxsize=2**16)(self.tokenizer)
