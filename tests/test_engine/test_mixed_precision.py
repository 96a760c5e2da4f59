import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from m3i_mm.engine import MixedPrecisionOptimWrapper

pytestmark = pytest.mark.openmmlab


def setup(wrapper=MixedPrecisionOptimWrapper, **kwargs):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return model, wrapper(optimizer, **kwargs)


def train(model, wrapper, steps=4):
    inputs = torch.randn(
        steps, 16, 8, generator=torch.Generator().manual_seed(1)
    )
    for batch in inputs:
        with wrapper.optim_context(model):
            outputs = model(batch)
        wrapper.update_params((outputs.float() - batch[:, :1]).square().mean())
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize(
    ('dtype', 'loss_scale'),
    [('bfloat16', 'dynamic'), ('float16', 64.0)],
)
@pytest.mark.parametrize('clip_grad', [None, dict(max_norm=0.1)])
def test_autocasts_and_follows_full_precision(dtype, loss_scale, clip_grad):
    def clip():
        return None if clip_grad is None else dict(clip_grad)

    model, wrapper = setup(
        dtype=dtype, loss_scale=loss_scale, clip_grad=clip()
    )
    with wrapper.optim_context(model):
        assert model(torch.ones(1, 8)).dtype == getattr(torch, dtype)
    assert model[0].weight.dtype == torch.float32
    mixed = train(model, wrapper)
    full = train(*setup(OptimWrapper, clip_grad=clip()))
    assert not torch.equal(mixed, full)
    torch.testing.assert_close(mixed, full, rtol=0, atol=5e-3)


def test_accumulates_like_the_plain_wrapper():
    model, wrapper = setup(accumulative_counts=2)
    mixed = train(model, wrapper)
    full = train(*setup(OptimWrapper, accumulative_counts=2))
    torch.testing.assert_close(mixed, full, rtol=0, atol=5e-3)


def test_float16_restores_the_loss_scale():
    model, wrapper = setup(dtype='float16', loss_scale=64.0)
    train(model, wrapper)
    state = wrapper.state_dict()
    assert state['loss_scaler']['scale'] == 64.0
    _, other = setup(dtype='float16')
    other.load_state_dict(state)
    assert other.loss_scaler.get_scale() == 64.0
    # bfloat16 has no scale and takes the state of any other wrapper
    _, plain = setup(OptimWrapper)
    for source in (other, plain):
        _, brain = setup()
        brain.load_state_dict(source.state_dict())
        assert brain.loss_scaler.get_scale() == 1.0


def test_unknown_precision_is_named():
    with pytest.raises(ValueError, match=r"dtype must be one of .*'int8'"):
        setup(dtype='int8')
