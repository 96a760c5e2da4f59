"""Attention pooling against loops, and what a mask means."""

import pytest
import torch

from m3i_mm.models.utils import AttentionPooling, masked_mean

pytestmark = pytest.mark.openmmlab


@pytest.fixture
def pooling():
    torch.manual_seed(0)
    model = AttentionPooling(8, num_heads=2, out_channels=6).double()
    for p in model.parameters():
        torch.nn.init.normal_(p)
    return model


def loops(model, tokens):
    """One sample, one head at a time, everything written out."""
    attention = model.cross_dcn
    out = []
    for sample in tokens:  # (L, C)
        query = model.norm1_q(sample.mean(0))
        q = attention.q.weight @ query + attention.q_bias
        pooled = []
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            keys, values = [], []
            for token in sample:
                k = attention.k.weight @ model.norm1_k(token)
                v = attention.v.weight @ model.norm1_v(token)
                keys.append((k + attention.k_bias)[part])
                values.append((v + attention.v_bias)[part])
            scores = torch.stack([q[part] @ k / 4**0.5 for k in keys])
            weights = scores.exp() / scores.exp().sum()
            pooled.append(sum(map(torch.mul, weights, values)))
        out.append(attention.proj(torch.cat(pooled)))
    return torch.stack(out)


def test_equals_loops(pooling):
    tokens = torch.randn(3, 5, 8, dtype=torch.double)
    torch.testing.assert_close(pooling(tokens), loops(pooling, tokens))


def test_masked_tokens_do_not_exist(pooling):
    tokens = torch.randn(2, 5, 8, dtype=torch.double)
    mask = torch.tensor([[1, 0, 1, 1, 0], [0, 1, 1, 0, 1]]).bool()
    expected = torch.cat(
        [
            pooling(sample[keep][None])
            for sample, keep in zip(tokens, mask, strict=True)
        ]
    )
    torch.testing.assert_close(pooling(tokens, mask), expected)


def test_bias_of_the_keys_has_no_effect(pooling):
    tokens = torch.randn(2, 5, 8, dtype=torch.double)
    before = pooling(tokens)
    torch.nn.init.zeros_(pooling.cross_dcn.k_bias)
    torch.testing.assert_close(pooling(tokens), before)


def test_gradients(pooling):
    tokens = torch.randn(1, 3, 8, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(pooling, tokens)


def test_mean_of_kept_tokens():
    tokens = torch.tensor([[[1.0], [2.0], [6.0]]])
    assert masked_mean(tokens).item() == 3
    mask = torch.tensor([[True, False, True]])
    assert masked_mean(tokens, mask).item() == 3.5


def test_width_must_divide_into_heads():
    with pytest.raises(ValueError, match='10 channels and 4 heads'):
        AttentionPooling(10, num_heads=4)
