"""The public DCNv3 operator."""

from __future__ import annotations

from torch import Tensor

from .backends import BACKENDS, select_backend
from .geometry import Geometry

__all__ = ['dcnv3']


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
    There is no weight and no bias, and the mask is taken as it is: the
    softmax over the points belongs to the module.

    All backends agree in the output and in the gradients of input and mask
    to floating point accuracy. So they do in the gradient of the offset,
    except at exactly integer locations, where bilinear interpolation has two
    one-sided derivatives: ``triton``, ``official`` and, on a CPU, ``torch``
    take the right-hand one (and zero for points exactly at -1). In ``mmcv``
    and elsewhere in ``torch`` rounding decides. At initialisation all
    locations are integer.

    Points that are not finite contribute nothing, and the gradients of their
    offset and mask are NaN. Under ``torch.use_deterministic_algorithms(True)``
    ``triton`` and ``torch`` have deterministic gradients on a GPU too, slower
    on large maps, and ``auto`` takes one of them. There is no forward-mode
    differentiation: it raises.

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
    if 0 in input.shape or 0 in mask.shape:
        return _zero_output(input, offset, mask)
    return BACKENDS[name].run(input, offset, mask, geometry)


def _zero_output(input: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
    """Return the output where nothing is sampled, connected to autograd."""
    connection = input.sum() + offset.sum() + mask.sum()
    shape = (*mask.shape[:3], input.shape[-1])
    return (0 * connection).to(input.dtype).expand(shape).clone()
