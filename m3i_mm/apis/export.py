"""Export models and backbones to ONNX and ``torch.export``.

Batch, height and width of the images stay free. The images are normalised
before, as the data preprocessor of the model does in training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.export import ExportedProgram

from m3i_mm.checkpoints import load_weights
from m3i_mm.models.internimage import DCNv3
from m3i_mm.runs.building import build_model, initialize, model_settings

from .exported import wrap_for_export
from .exported.pooling import replace_adaptive_pooling

__all__ = [
    'build_part',
    'export_model',
    'trace',
    'verify_onnx',
    'write_program',
]

# no object may be found
TINY = 1e-6
FREE = torch.export.Dim.AUTO
FREE_SHAPES = {'images': {0: FREE, 2: FREE, 3: FREE}}


class _Exported(nn.Module):
    """Only images go in, only tensors come out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self.model(images)


def build_part(
    config: Config, part: str, checkpoint: str | None = None
) -> nn.Module:
    """Build what a config describes, or its backbone alone.

    Args:
        config (Config): Config of a classifier, segmentor, Faster or Mask
            R-CNN, or of any model with a backbone.
        part (str): ``'model'`` or ``'backbone'``.
        checkpoint (str, optional): File that fills what is exported. Without
            it the weights are random.

    Returns:
        nn.Module: In evaluation mode.

    Raises:
        CheckpointError: If the file leaves weights random.
        ConfigError: If the model cannot run on images alone.
    """
    settings = model_settings(config, part)
    # Weights come from the checkpoint; nothing is to be downloaded.
    settings.pop('init_cfg', None)
    model = build_model(config, settings=settings)
    exported = wrap_for_export(model)
    if checkpoint is None:
        initialize(model)
    else:
        load_weights(model, checkpoint)
    exported.eval()  # that of MMPretrain's ResNet returns nothing
    return exported


def export_model(
    model: nn.Module,
    path: str,
    image_size: tuple[int, int] = (224, 224),
    opset: int = 18,
    grid_sample: bool = True,
) -> None:
    """Write a model as ONNX or as an exported program of PyTorch.

    Args:
        model (nn.Module): Takes images (B, 3, H, W), see
            :func:`build_part`.
        path (str): File to write, ``.onnx`` or ``.pt2``.
        image_size (tuple[int, int]): See :func:`trace`.
        opset (int): ONNX operator set.
        grid_sample (bool): See :func:`trace`.

    Raises:
        ValueError: If the file ends in neither ``.onnx`` nor ``.pt2``.
    """
    if not path.endswith(('.onnx', '.pt2')):
        raise ValueError(f'{path} must end in .onnx or .pt2')
    program = trace(model, image_size, grid_sample)
    write_program(program, path, opset, getattr(model, 'output_names', ()))


def trace(
    model: nn.Module, image_size: tuple[int, int], grid_sample: bool = True
) -> ExportedProgram:
    """Trace a model for any batch and image size.

    Args:
        model (nn.Module): Takes images (B, 3, H, W) of the precision of its
            parameters, ``model.half()`` those of float16.
        image_size (tuple[int, int]): Height and width of the example.
        grid_sample (bool): Whether DCNv3 becomes GridSample (the ``torch``
            backend); False takes Gather (``gather``), for runtimes that
            compute GridSample wrongly or not at all. Defaults to True.

    Returns:
        ExportedProgram: With one input, ``images``.
    """
    with (
        _backend(model, 'torch' if grid_sample else 'gather'),
        replace_adaptive_pooling(model),
    ):
        return torch.export.export(
            _Exported(model).eval(),
            (_images(model, 2, image_size),),
            dynamic_shapes=FREE_SHAPES,
            strict=False,
        )


@contextmanager
def _backend(model: nn.Module, name: str) -> Iterator[None]:
    layers = [m for m in model.modules() if isinstance(m, DCNv3)]
    backends = [layer.backend for layer in layers]
    try:
        for layer in layers:
            layer.backend = name
        yield
    finally:
        for layer, backend in zip(layers, backends, strict=True):
            layer.backend = backend


def _images(model: nn.Module, batch: int, size: tuple[int, int]) -> Tensor:
    """Draw images (B, 3, H, W) in the precision of a model."""
    parameter = next(model.parameters())
    return torch.randn(batch, 3, *size).to(parameter.dtype)


def write_program(
    program: ExportedProgram,
    path: str,
    opset: int,
    output_names: Sequence[str] = (),
) -> None:
    """Write a traced model.

    Args:
        program (ExportedProgram): See :func:`trace`.
        path (str): File to write, ``.onnx`` or ``.pt2``.
        opset (int): ONNX operator set.
        output_names (Sequence[str]): Of the outputs in ONNX, in order.

    Raises:
        ValueError: If the model cannot be written in this operator set.
    """
    if path.endswith('.pt2'):
        torch.export.save(program, path)
        return
    onnx_program = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=opset,
        input_names=['images'],
        output_names=list(output_names) or None,
    )
    assert onnx_program is not None  # only without dynamo
    written = onnx_program.model.opset_imports['']
    if written != opset:
        raise ValueError(
            f'opset {opset}: the model can be written in {written} only'
        )
    onnx_program.save(path)


@torch.no_grad()
def verify_onnx(
    model: nn.Module, path: str, image_sizes: list[tuple[int, int]]
) -> float:
    """Compare onnxruntime with PyTorch.

    Of a detector the scores are compared.

    Args:
        model (nn.Module): What was exported.
        path (str): The ``.onnx`` file.
        image_sizes (list[tuple[int, int]]): Heights and widths to try.

    Returns:
        float: The greatest difference over the greatest output.
    """
    from onnxruntime import InferenceSession

    session = InferenceSession(path, providers=['CPUExecutionProvider'])
    worst = 0.0
    for size in image_sizes:
        images = _images(model, 1, size)
        expected = model(images)
        if isinstance(expected, Tensor):
            expected = (expected,)
        values = session.run(None, {'images': images.numpy()})
        assert len(values) == len(expected)
        for number in getattr(model, 'verified', range(len(values))):
            wanted = expected[number].float().numpy()
            value = values[number].astype(np.float32)
            scale = max(np.abs(wanted).max(), TINY)
            worst = max(worst, float(np.abs(value - wanted).max() / scale))
    return worst
