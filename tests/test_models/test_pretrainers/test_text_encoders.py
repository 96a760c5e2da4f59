"""Text towers of other libraries, with random tiny weights."""

from __future__ import annotations

import json

import pytest
import torch

from m3i_mm.datasets.tokenizers import (
    CLIPTokenizer,
    HuggingFaceTokenizer,
    build_tokenizer,
)
from m3i_mm.registry import MODELS

pytestmark = pytest.mark.openmmlab


@pytest.mark.parametrize(
    ('kind', 'padding'), [('bert', 0), ('xlm-roberta', 1)]
)
def test_hugging_face_ignores_padding(kind, padding, tmp_path):
    pytest.importorskip('transformers')
    sizes = dict(
        model_type=kind,
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
        pad_token_id=padding,
    )
    (tmp_path / 'config.json').write_text(json.dumps(sizes))
    encoder = MODELS.build(
        dict(
            type='HuggingFaceTextEncoder',
            name=str(tmp_path),
            pretrained=False,
            out_dims=4,
        )
    ).eval()
    assert encoder.padding == padding
    assert encoder.vocab_size == 20
    _ignores_padding(encoder, torch.tensor([[5, 6], [8, 9]]))


@pytest.mark.parametrize('padding', [0, 1])
def test_hugging_face_tokenizer_pads_with_its_own_token(padding, tmp_path):
    transformers = pytest.importorskip('transformers')
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ['a', 'cat']
    words.insert(padding, '<pad>')
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token='<pad>'
    ).save_pretrained(tmp_path)
    encode = HuggingFaceTokenizer(str(tmp_path), context_length=4)
    tokens = encode('a cat')
    expected = [vocabulary['a'], vocabulary['cat'], padding, padding]
    assert tokens.tolist() == expected
    assert encode.decode(tokens) == 'a cat'


def test_open_clip_tokenizer_by_name():
    encode, clip = build_tokenizer('open_clip:ViT-B-32'), CLIPTokenizer()
    text = 'A Cat & a dog'
    assert torch.equal(encode(text), clip(text))
    assert (encode.context_length, encode.padding) == (77, 0)
    assert encode.vocab_size == clip.vocab_size
    assert encode.decode(encode(text)) == clip.decode(clip(text))
    with pytest.raises(ValueError, match="Did you mean 'ViT-B-32'"):
        build_tokenizer('open_clip:VIT-B-32')


def test_open_clip_tokenizer_of_a_folder(tmp_path):
    """Length, cleaning and padding are those of the model, as of SigLIP."""
    transformers = pytest.importorskip('transformers')
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = dict(a=0, pad=1, cat=2, dog=3, unk=4)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token='unk'))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token='pad', unk_token='unk'
    ).save_pretrained(tmp_path)
    text_cfg = dict(
        context_length=5,
        hf_tokenizer_name=str(tmp_path),
        tokenizer_kwargs=dict(clean='canonicalize'),
    )
    config = dict(model_cfg=dict(text_cfg=text_cfg))
    (tmp_path / 'open_clip_config.json').write_text(json.dumps(config))
    encode = build_tokenizer(f'open_clip:{tmp_path}')
    assert encode.padding == 1
    assert encode.vocab_size == 5
    assert encode('A Cat!').tolist() == [0, 2, 1, 1, 1]
    assert encode.decode(encode('a, DOG')) == 'a dog'


def test_open_clip_ignores_padding(tmp_path):
    open_clip = pytest.importorskip('open_clip')
    sizes = dict(
        embed_dim=4,
        vision_cfg=dict(image_size=16, layers=1, width=64, patch_size=8),
        text_cfg=dict(
            context_length=8, vocab_size=20, width=8, heads=2, layers=1
        ),
    )
    config = tmp_path / 'm3i-tiny.json'
    config.write_text(json.dumps(sizes))
    open_clip.add_model_config(config)
    encoder = MODELS.build(
        dict(type='OpenCLIPTextEncoder', name='m3i-tiny', frozen=True)
    ).eval()
    assert not any(p.requires_grad for p in encoder.parameters())
    assert encoder.vocab_size == 20
    # the largest token ends a text of CLIP
    _ignores_padding(encoder, torch.tensor([[5, 6, 19], [8, 19, 0]]))
    with pytest.raises(ValueError, match='9 tokens.*context_length=8'):
        encoder(torch.ones(1, 9, dtype=torch.long))


def _ignores_padding(encoder, texts):
    longer = torch.nn.functional.pad(texts, (0, 3), value=encoder.padding)
    features = encoder(texts)
    torch.testing.assert_close(encoder(longer), features)
    assert features.shape == (2, 4)
    assert (features[0] - features[1]).abs().max() > 1e-4
