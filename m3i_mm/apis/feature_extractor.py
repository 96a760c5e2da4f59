"""Features of image files."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmengine.config import Config
from mmengine.model import BaseModel
from torch import Tensor

from m3i_mm.checkpoints.fitting import ENCODER
from m3i_mm.datasets.faults import SampleError
from m3i_mm.evaluation.extraction import predict_features, to_table
from m3i_mm.evaluation.tables import FeatureTable
from m3i_mm.runs.views import evaluation_view

from .images import Image, batches, list_images
from .model_zoo import get_model

__all__ = ['FeatureExtractor']


class FeatureExtractor:
    """Computes the mean-pooled features of images.

    Args:
        model (str | Config | BaseModel): What :func:`get_model` takes, or a
            model that it returned.
        pretrained (bool | str): See :func:`get_model`; a checkpoint has to
            fill the image encoder, backbone and neck.
        device (str, optional): See :func:`get_model`.
        image_size (int, optional): Side of the square that is cut from the
            centre. Defaults to what the config's test pipeline does.

    Raises:
        ValueError: If the image size is neither given nor in the config.

    Examples:
        >>> extractor = FeatureExtractor('configs/m3i/....py', 'epoch_20.pth')
        >>> extractor('folder/of/images').shape
        torch.Size([12, 192])
    """

    def __init__(
        self,
        model: str | Config | BaseModel,
        pretrained: bool | str = False,
        device: str | None = None,
        image_size: int | None = None,
    ) -> None:
        if not isinstance(model, BaseModel):
            model = get_model(model, pretrained, device, parts=ENCODER)
        self.model = model
        if image_size is None:
            self.view = evaluation_view(model._config)
        else:
            self.view = dict(type='m3i_mm.CenterView', size=image_size)

    def __call__(
        self, images: Image | Sequence[Image], batch_size: int = 32
    ) -> Tensor:
        """Compute the features of images.

        Args:
            images (str | Path | np.ndarray | Sequence): A file, a folder, BGR
                pixels (H, W, 3 or 4), or a list of files and pixels.
            batch_size (int): Images at a time.

        Returns:
            Tensor: Features on the CPU, (N, C).
        """
        return self.table(images, batch_size).features('feature', 'cpu')

    def table(
        self,
        images: Image | Sequence[Image],
        batch_size: int = 32,
        on_fault: Callable[[SampleError], None] | None = None,
    ) -> FeatureTable:
        """Compute everything that the model says of images.

        Args:
            images (str | Path | np.ndarray | Sequence): See above.
            batch_size (int): Images at a time.
            on_fault (Callable, optional): Is told of images that cannot be
                decoded, which are then left out.

        Returns:
            FeatureTable: ``feature``, ``sample_key`` (the path), and for a
            model with a text target ``image_embedding``.

        Raises:
            SampleError: If an image cannot be decoded, unless ``on_fault``
                is told.
            ValueError: If no image can.
        """
        listed = list_images(images)
        read = batches(listed, self.view, batch_size, on_fault)
        tables = [
            to_table(predict_features(self.model, batch), 'images')
            for batch in read
        ]
        if not tables:
            raise ValueError('no image can be read')
        return FeatureTable.concat(tables, 'images')
