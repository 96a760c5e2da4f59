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

from ..faults import SampleError, as_fault
from ..texts import has_text, is_absent, written
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
            ending the run, here or where a later transform leaves nothing of
            it. What is no text (``None``, NaN) is empty. Defaults to False.
        entry (int, optional): Instead of drawing, take this entry of such a
            list: a set for each caption evaluates all of them.
    """

    def __init__(
        self,
        templates: str | Sequence[str] = '{text}',
        pick: Sequence[str] = ('text',),
        skip_empty: bool = False,
        entry: int | None = None,
    ) -> None:
        super().__init__()
        self.templates = (
            [templates] if isinstance(templates, str) else list(templates)
        )
        self.pick = set(pick)
        self.entry = entry
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
            name: self._value(name, results)
            for name in self.names[which]
            if name
        }
        # a template around nothing is no text
        texts = map(str, values.values())
        empty = values and not any(map(has_text, texts))
        text = '' if empty else self.templates[which].format(**values)
        return _set_text(results, text.strip(), self.skip_empty)

    def _value(self, name: str, results: dict[str, Any]) -> Any:
        value = get_field(results, name)
        if isinstance(value, int | float) and not is_absent(value):
            return value  # a template may say how it is formatted
        with as_fault('text', results['sample_key']):
            text = written(value)
        if isinstance(text, str):
            return text
        if name in self.pick:
            texts = [entry for entry in text if has_text(_unescape(entry))]
            return self._choose(texts, results['sample_key'])
        return ', '.join(text)

    def _choose(self, texts: list[str], key: str) -> str:
        if self.entry is not None and self.entry >= len(texts):
            reason = f'entry {self.entry} is asked of {len(texts)} texts'
            raise SampleError('text', key, reason)
        if self.entry is not None:
            return texts[self.entry]
        return texts[np.random.randint(len(texts))] if texts else ''


def _unescape(text: str) -> str:
    # twice, because the web escapes twice
    return html.unescape(html.unescape(text))


def _set_text(
    results: dict[str, Any], text: str, skip_empty: bool
) -> dict[str, Any]:
    """Set the text, or say that there is none.

    What makes an empty text of a text later on is to do what the first
    transform was told, so that is kept.
    """
    if not has_text(text):
        key = results['sample_key']
        if skip_empty:
            raise SampleError('text', key, 'the text is empty')
        raise ValueError(
            f'The text of sample {key!r} is empty. Set '
            'ChooseText(skip_empty=True) to go on without it'
        )
    results['text'] = text
    results['skip_empty'] = skip_empty
    return results


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
        """Replace ``text``.

        Raises:
            ValueError: If nothing is left of it.
            SampleError: If nothing is, and such samples are to be skipped.
        """
        text = _unescape(results['text'])
        if self.fix_encoding:
            import ftfy

            text = ftfy.fix_text(text)
        words = text.split()[: self.max_words]
        text = ' '.join(words)
        text = text.lower() if self.lower else text
        return _set_text(results, text, results.get('skip_empty', False))


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
            SampleError: If it is, and such samples are to be skipped.
        """
        skip_empty = results.get('skip_empty', False)
        results = _set_text(results, results['text'].strip(), skip_empty)
        results['text_tokens'] = self._encode(results['text'])
        return results

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != '_encode'}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._encode = lru_cache(maxsize=2**16)(self.tokenizer)
