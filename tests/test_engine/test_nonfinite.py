import pytest
import torch

from m3i_mm.engine.nonfinite import (
    NonFiniteLossError,
    first_nonfinite,
    first_nonfinite_anywhere,
)

pytestmark = pytest.mark.openmmlab


def test_first_in_the_order_of_the_model():
    good, bad = torch.tensor(1.0), torch.tensor(float('inf'))
    assert first_nonfinite({'loss_a': good, 'acc': bad}) is None
    # Detectors return one loss for each level
    losses = {'loss_a': good, 'loss_b': [good, bad], 'loss_c': bad}
    assert first_nonfinite(losses) == ('loss_b', float('inf'))


def test_finite_losses_can_have_an_infinite_sum():
    huge = torch.tensor(3e38)
    found = first_nonfinite_anywhere(huge + huge, dict(loss_a=huge))
    assert found == ('loss', float('inf'))
    assert first_nonfinite_anywhere(huge, dict(loss_a=huge)) is None


def test_error_keeps_the_facts():
    error = NonFiniteLossError('loss_text', float('inf'), 7, 'Do this.')
    assert str(error) == ("iteration 7: the loss 'loss_text' is inf. Do this.")
    assert (error.name, error.value, error.iteration) == (
        'loss_text',
        float('inf'),
        7,
    )
