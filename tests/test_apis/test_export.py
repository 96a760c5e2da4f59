"""Exported models give what PyTorch gives, at sizes not traced."""

import copy

import onnx
import pytest
import torch

from m3i_mm.apis.export import (
    export_model,
    trace,
    verify_onnx,
    write_program,
)
from m3i_mm.models import build_internimage_classifier
from m3i_mm.models.internimage import DCNv3, InternImage

ARCH = dict(channels=8, depths=(1, 1, 1, 1), groups=(1, 2, 4, 8))
SIZES = [(64, 96), (96, 64)]


@pytest.fixture(scope='module')
def backbone():
    torch.manual_seed(0)
    model = InternImage(ARCH).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return model


@pytest.fixture(scope='module')
def program(backbone):
    return trace(backbone, (64, 64))


@pytest.fixture(scope='module')
def gathered(backbone, tmp_path_factory):
    path = str(tmp_path_factory.mktemp('onnx') / 'gathered.onnx')
    export_model(backbone, path, (64, 64), grid_sample=False)
    return path


def test_torch_export_of_the_backbone(backbone, program, tmp_path):
    path = str(tmp_path / 'backbone.pt2')
    write_program(program, path, opset=18)
    loaded = torch.export.load(path).module()
    for batch, size in ((1, SIZES[0]), (3, SIZES[1])):
        images = torch.randn(batch, 3, *size)
        with torch.no_grad():
            values, expected = loaded(images), backbone(images)
        for value, reference in zip(values, expected, strict=True):
            torch.testing.assert_close(value, reference)


def test_onnx_of_the_backbone(backbone, program, tmp_path):
    path = str(tmp_path / 'backbone.onnx')
    write_program(program, path, opset=18)
    assert 'GridSample' in operators(path)
    assert verify_onnx(backbone, path, SIZES) < 1e-4
    # and another model would be noticed
    other = copy.deepcopy(backbone)
    torch.nn.init.normal_(other.levels[3].blocks[0].mlp.fc2.bias)
    assert verify_onnx(other, path, SIZES) > 1e-2


def test_onnx_of_a_classifier(tmp_path):
    torch.manual_seed(0)
    arch = dict(ARCH, head='attention_pool')
    model = build_internimage_classifier(arch, num_classes=5).eval()
    path = str(tmp_path / 'classifier.onnx')
    export_model(model, path, image_size=(64, 64))
    assert verify_onnx(model, path, SIZES) < 1e-4


def operators(path):
    return {node.op_type for node in onnx.load(path).graph.node}


def test_onnx_without_grid_sample(backbone, gathered):
    assert 'GridSample' not in operators(gathered)
    assert verify_onnx(backbone, gathered, SIZES) < 1e-4
    # the model computes as before
    layers = [m for m in backbone.modules() if isinstance(m, DCNv3)]
    assert {layer.backend for layer in layers} == {'auto'}


def test_onnx_in_half_precision(backbone, tmp_path):
    half = copy.deepcopy(backbone).half()
    path = str(tmp_path / 'half.onnx')
    export_model(half, path, (64, 64), grid_sample=False)
    weights = onnx.load(path).graph.initializer
    kinds = {w.data_type for w in weights if len(w.dims) == 4}
    assert kinds == {onnx.TensorProto.FLOAT16}
    assert verify_onnx(half, path, SIZES) < 2e-2


def test_openvino(backbone, gathered):
    openvino = pytest.importorskip('openvino')
    # some CPUs would take bfloat16
    precise = {'INFERENCE_PRECISION_HINT': 'f32'}
    compiled = openvino.compile_model(gathered, 'CPU', precise)
    for batch, size in ((1, SIZES[0]), (2, SIZES[1])):
        images = torch.randn(batch, 3, *size)
        with torch.no_grad():
            expected = backbone(images)
        found = compiled(images.numpy())
        for value, reference in zip(found.values(), expected, strict=True):
            difference = torch.from_numpy(value) - reference
            assert difference.abs().max() < 1e-3 * reference.abs().max()


def test_suffix_decides_the_format(backbone):
    with pytest.raises(ValueError, match=r'must end in \.onnx or \.pt2'):
        export_model(backbone, 'model.pth')
