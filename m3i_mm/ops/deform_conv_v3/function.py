"""The public DCNv3 operator, on parts and on predictions."""

from __future__ import annotations

import functools

from torch import Tensor

from .backends import BACKENDS, select_backend
from .geometry import Geometry
from .prediction import Layout, run_on_parts

__all__ = ['dcnv3', 'dcnv3_from_prediction']


def dcnv3(
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    kernel_size: int = 3,
    stride: int = 1,
    padding: int = 1,
    dilation: int = 1,
    groups: int = 1,
    offset_scale: float = 1.0,
    remove_center: bool = False,
    backend: str = 'auto',
) -> Tensor:
    """Deformable convolution v3: sample ``P`` points per group and sum them.

    With ``P = kernel_size**2`` points (one less with ``remove_center``), group
    ``g`` of an output position is

        output_g = sum_p  mask_gp * bilinear(input_g, location_gp)

    where the input is zero outside and :mod:`.geometry` gives the locations.
    There is no weight and no bias, and the mask is taken as it is; with its
    softmax it is :func:`dcnv3_from_prediction`.

    All backends agree in the output and in the gradients of input and mask
    to floating point accuracy. So they do in the gradient of the offset,
    except at exactly integer locations, where bilinear interpolation has two
    one-sided derivatives: ``triton``, ``official`` and, on a CPU, ``torch``
    take the right-hand one (and zero for points exactly at -1). In ``mmcv``
    and elsewhere in ``torch`` rounding decides. At initialisation all
    locations are integer.

    Points that are not finite contribute nothing, and the gradients of their
    offset and mask are NaN. There is no forward-mode differentiation: it
    raises.

    On a GPU, ``triton`` is deterministic on maps of up to 16 x 16, and on
    larger ones where no sample is far from its position. Under
    ``torch.use_deterministic_algorithms(True)`` ``triton`` and ``torch`` are
    on all, slower on large ones, and ``auto`` takes one of them; all other
    backends that have kernels of a GPU raise in their backward pass.

    Offset and mask may have another floating dtype than the input, as they do
    under autocast. Half precision inputs are accumulated in float32.

    From InternImage, CVPR 2023 (arXiv 2211.05778), equation 2.

    Args:
        input (Tensor): Features of shape (N, H, W, C).
        offset (Tensor): Offsets in pixels of shape (N, Ho, Wo, G*P*2), for
            each group and point x before y. Points go through the kernel
            column by column: x is the slow index.
        mask (Tensor): Modulation of shape (N, Ho, Wo, G*P).
        kernel_size (int): Side of the square kernel. Defaults to 3.
        stride (int): Stride in pixels. Defaults to 1.
        padding (int): Zero padding on each side. Defaults to 1.
        dilation (int): Distance between points. Defaults to 1.
        groups (int): Number ``G`` of channel groups. Defaults to 1.
        offset_scale (float): Factor on the offsets and on the regular grid
            of the kernel. Defaults to 1.0.
        remove_center (bool): Whether to leave out the central point of an
            odd kernel. Defaults to False.
        backend (str): ``'torch'`` (any device), ``'triton'``, ``'mmcv'``,
            ``'official'`` (GPUs), ``'gather'`` (any device, for export),
            ``'triton_atomic'`` (GPUs, to be measured beside ``'triton'``) or
            ``'auto'``, which takes the fastest that is available and logs it
            once. Defaults to 'auto'.

    Returns:
        Tensor: Features of shape (N, Ho, Wo, C) in the dtype of ``input``,
        where ``Ho`` and ``Wo`` follow from the convolution arithmetic.

    Raises:
        ValueError: If a shape or a constant does not fit.
        TypeError: If a tensor is not of floating point or a constant is not
            an int.
        RuntimeError: If the tensors are on different devices, or the backend
            is not available for their device.

    Examples:
        >>> x = torch.randn(2, 14, 14, 64)
        >>> offset = torch.zeros(2, 14, 14, 4 * 9 * 2)
        >>> mask = torch.full((2, 14, 14, 4 * 9), 1 / 9)
        >>> dcnv3(x, offset, mask, groups=4).shape
        torch.Size([2, 14, 14, 64])
    """
    geometry = Geometry(
        kernel_size,
        stride,
        padding,
        dilation,
        groups,
        offset_scale,
        remove_center,
    )
    geometry.check(input, offset, mask)
    name = select_backend(backend, input.device.type)
    return _run(name, input, offset, mask, geometry)


def dcnv3_from_prediction(
    input: Tensor,
    prediction: Tensor,
    layout: Layout,
    kernel_size: int = 3,
    stride: int = 1,
    padding: int = 1,
    dilation: int = 1,
    groups: int = 1,
    offset_scale: float = 1.0,
    remove_center: bool = False,
    backend: str = 'auto',
) -> Tensor:
    """Apply :func:`dcnv3` to what one linear layer predicted.

    Offset, mask and, where the layout has it, a gate for the central pixel
    are columns of one tensor. With a softmax the mask sums to 1 over the
    points; with a gate ``g`` of a group the output is

        (1 - sigmoid(g)) output_g + sigmoid(g) input_g at the centre

    ``triton`` and ``triton_atomic`` do all that in one kernel, which reads
    the prediction where it lies, and write its gradient as a whole; the
    softmax is in float32 (float64 for float64 inputs). The other backends
    compute step by step, with a mask rounded to the dtype of the input.

    Args:
        input (Tensor): Features of shape (N, H, W, C).
        prediction (Tensor): Shape (N, Ho, Wo, D), where ``D`` is at least
            the width of the layout. Columns beyond it are not read, and
            their gradient is zero.
        layout (Layout): What the columns are, e.g. ``Layout(softmax=True)``
            for InternImage.
        kernel_size (int): See :func:`dcnv3`, as for all that follow.
        stride (int): Defaults to 1.
        padding (int): Defaults to 1. A gate needs the one that keeps the
            size of the map.
        dilation (int): Defaults to 1.
        groups (int): Defaults to 1.
        offset_scale (float): Defaults to 1.0.
        remove_center (bool): Defaults to False.
        backend (str): Defaults to 'auto'.

    Returns:
        Tensor: Features of shape (N, Ho, Wo, C) in the dtype of ``input``.

    Raises:
        ValueError: If a shape or a constant does not fit.
        TypeError: See :func:`dcnv3`.
        RuntimeError: See :func:`dcnv3`.

    Examples:
        >>> x = torch.randn(2, 14, 14, 64)
        >>> prediction = torch.randn(2, 14, 14, 4 * 9 * 3)
        >>> dcnv3_from_prediction(
        ...     x, prediction, Layout(softmax=True), groups=4
        ... ).shape
        torch.Size([2, 14, 14, 64])
    """
    geometry = Geometry(
        kernel_size,
        stride,
        padding,
        dilation,
        groups,
        offset_scale,
        remove_center,
    )
    geometry.check_constants()
    layout.check(prediction, geometry)
    # any columns tell the shapes
    points = groups * geometry.taps
    geometry.check(
        input, prediction[..., : 2 * points], prediction[..., :points]
    )
    name = select_backend(backend, input.device.type)
    fused = getattr(BACKENDS[name], 'run_prediction', None)
    if fused is None or 0 in (*input.shape, *prediction.shape, points):
        run = functools.partial(_run, name)
        return run_on_parts(run, input, prediction, layout, geometry)
    return fused(input, prediction, layout, geometry)


def _run(
    backend: str,
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    geometry: Geometry,
) -> Tensor:
    if 0 in input.shape or 0 in mask.shape:
        return _zero_output(input, offset, mask)
    return BACKENDS[backend].run(input, offset, mask, geometry)


def _zero_output(input: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
    """Return the output where nothing is sampled, connected to autograd."""
    connection = input.sum() + offset.sum() + mask.sum()
    shape = (*mask.shape[:3], input.shape[-1])
    return (0 * connection).to(input.dtype).expand(shape).clone()
