"""Whether a file fits a model: names, wrappings, prefixes, and one message."""

import pytest
import torch
from torch import nn

from m3i_mm.checkpoints import CheckpointError
from m3i_mm.checkpoints.comparing import compare
from m3i_mm.checkpoints.fitting import fit_weights, weights_of

pytestmark = pytest.mark.openmmlab


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


class Detector(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.backbone = network()
        self.head = nn.Linear(4, classes)


class Resizing(nn.Module):
    """A load hook doubles what is half as long, as ViTs do."""

    def __init__(self):
        super().__init__()
        self.position = nn.Parameter(torch.zeros(4))
        self._register_load_state_dict_pre_hook(self._resize)

    def _resize(self, state_dict, prefix, *_):
        name = f'{prefix}position'
        if name in state_dict and len(state_dict[name]) == 2:
            state_dict[name] = state_dict[name].repeat(2)


def prefixed(prefix, state):
    return {prefix + name: value for name, value in state.items()}


STATE = network().state_dict()
ACCEPTED = dict(
    plain=STATE,
    training=dict(state_dict=STATE, optimizer={}, meta=dict(epoch=3)),
    backbone=dict(state_dict=prefixed('backbone.', STATE)),
    data_parallel=dict(state_dict=prefixed('module.backbone.', STATE)),
    compiled=prefixed('_orig_mod.', STATE),
    compiled_within=prefixed('backbone._orig_mod.', STATE),
    average=dict(
        ema_state_dict={
            'steps': torch.tensor(3),
            **prefixed('module.backbone.', STATE),
        }
    ),
    # the trained network comes before its average
    with_average={
        **{
            name: value + 1
            for name, value in prefixed(
                'momentum_encoder.backbone.', STATE
            ).items()
        },
        **prefixed('backbone.', STATE),
        'head.weight': torch.zeros(1),
    },
    without_counters={k: v for k, v in STATE.items() if v.is_floating_point()},
    half={
        name: value.half() if value.is_floating_point() else value
        for name, value in STATE.items()
    },
)


@pytest.mark.parametrize('kind', ACCEPTED)
@pytest.mark.parametrize('prefix', [None, 'backbone.'])
def test_a_backbone_is_found_in_every_file(kind, prefix):
    model = network()
    fit = fit_weights(model, ACCEPTED[kind], prefix)
    fit.require('file.pth')
    fit.apply()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, STATE[name], rtol=1e-3, atol=1e-3)


def test_a_file_of_a_backbone_fills_that_of_a_detector():
    model = Detector()
    fit = fit_weights(model, STATE)
    fit.require('file.pth', parts=['backbone'])
    fit.require('file.pth', new_weights='head')
    with pytest.raises(CheckpointError, match='lacks 2: .head.weight'):
        fit.require('file.pth')
    fit.apply()
    assert torch.equal(model.backbone[0].weight, STATE['0.weight'])


def test_load_hooks_take_part():
    model = nn.ModuleDict(dict(backbone=Resizing()))
    file = {'backbone.position': torch.tensor([1.0, 2.0])}
    fit = fit_weights(model, file)
    fit.require('file.pth')
    fit.apply()
    assert model['backbone'].position.tolist() == [1, 2, 1, 2]
    assert len(file['backbone.position']) == 2
    assert len(fit.weights['backbone.position']) == 2


FOREIGN = dict(
    other_names={'conv.weight': torch.zeros(4, 3, 3, 3)},
    empty={},
    one_of_all={'backbone.0.weight': STATE['0.weight']},
    other_shapes={name: torch.zeros(7) for name in Detector().state_dict()},
    nested=dict(model=Detector().state_dict()),
)


@pytest.mark.parametrize('kind', FOREIGN)
@pytest.mark.parametrize('model', [Detector(), Detector().backbone])
def test_foreign_files_are_refused(kind, model):
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(CheckpointError) as error:
        fit_weights(model, FOREIGN[kind]).require('file.pth', advice='Do so')
    message = str(error.value)
    assert message.startswith('The checkpoint is of another model: file.pth')
    assert message.endswith('Do so')
    assert '\n' not in message
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_message_names_numbers_shapes_and_names():
    state = Detector(5).state_dict()
    del state['backbone.0.bias']
    state['surplus'] = torch.zeros(1)
    with pytest.raises(CheckpointError) as error:
        fit_weights(Detector(), state).require('file.pth', advice='Do so')
    for words in (
        'file.pth fits 6 of 9 weights of Detector',
        "it lacks 1: 'backbone.0.bias'",
        "2 differ in shape: 'head.weight' has the shape (2, 4), in the file "
        '(5, 4)',
        'The first names there: backbone.0.weight',
    ):
        assert words in str(error.value)


def test_rows_of_classes_start_anew_if_allowed(caplog):
    from mmengine.logging import MMLogger

    MMLogger.get_instance('classes').addHandler(caplog.handler)
    fit = fit_weights(Detector(), Detector(5).state_dict())
    with pytest.raises(CheckpointError, match='head'):
        fit.require('file.pth')
    anew = fit.require('file.pth', new_classes=True)
    assert anew == ['head.weight', 'head.bias']
    assert '7 of 9 tensors of Detector matched' in caplog.text
    assert '2 weights of Detector start anew' in caplog.text
    wider = Detector(5)
    wider.head = nn.Linear(6, 5)
    with pytest.raises(CheckpointError, match=r'\(2, 4\), in the file \(5, 6'):
        fit_weights(Detector(), wider.state_dict()).require(
            'file.pth', new_classes=True
        )


def test_a_part_is_chosen_by_its_prefix():
    file = {
        **prefixed('a.', STATE),
        **{k: v + 1 for k, v in prefixed('b.', STATE).items()},
    }
    with pytest.raises(CheckpointError, match=r"'a\.' and 'b\.'.*prefix="):
        fit_weights(network(), file)
    fit = fit_weights(network(), file, 'b')
    fit.require('file.pth')
    assert torch.equal(fit.tensors['0.bias'], STATE['0.bias'] + 1)
    with pytest.raises(CheckpointError, match=r"under prefix='c'.*a, b"):
        fit_weights(network(), file, 'c')


def test_comparison_and_weights():
    found = compare(dict(a=torch.ones(1), b=torch.ones(2)), dict(b=STATE))
    assert (found.lacking, found.left_over) == (['a', 'b'], [])
    assert weights_of({'state_dict': {'module.a': 1}, 'a': 2}) == {'a': 1}
