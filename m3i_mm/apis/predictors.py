"""Classification, detection and segmentation of image files.

The work is done by the inferencers and visualisers of MMPretrain, MMDetection
and MMSegmentation; this module gives them one interface. Each library is
imported only by the predictor that needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config

from m3i_mm.checkpoints.fitting import fit_weights

from ..runs.console import quietly
from ..runs.reading import read_config
from .model_zoo import get_model
from .prediction import ImageError, Prediction, Predictor, read_image

__all__ = ['Classifier', 'Detector', 'Segmentor', 'build_predictor']

# pixels that a class and its score take as text
READABLE = 224
MOST_PIXELS = 2048


class Detector(Predictor):
    """Boxes and masks by MMDetection.

    Args:
        config (Config): Config of a detector.
        checkpoint (str): Its weights.
        device (str, optional): Defaults to the accelerator, if any.
        score_threshold (float): Lowest score that is reported and drawn, in
            [0, 1]. Defaults to 0.3.

    Raises:
        CheckpointError: If the checkpoint is of another model.
    """

    def __init__(
        self,
        config: Config,
        checkpoint: str,
        device: str | None = None,
        score_threshold: float = 0.3,
    ) -> None:
        from mmdet.apis import DetInferencer

        self.score_threshold = score_threshold
        self._inferencer = _checked(DetInferencer)(
            config, checkpoint, device, show_progress=False
        )
        self._classes = self._inferencer.model.dataset_meta['classes']

    def __call__(self, path: Path) -> Prediction:
        """Detect objects.

        ``result`` has ``objects``: a list of ``label``, ``name``, ``score``,
        ``bbox`` as [left, top, right, bottom] in pixels and, of an instance
        segmentor, ``mask`` in COCO's run-length encoding.
        """
        read_image(path)
        with _resizable(path):
            output = self._inferencer(
                str(path),
                return_vis=True,
                no_save_vis=True,
                pred_score_thr=self.score_threshold,
            )
        objects = self._objects(output['predictions'][0])
        return Prediction({'objects': objects}, output['visualization'][0])

    def _objects(self, prediction: dict[str, Any]) -> list[dict[str, Any]]:
        masks = prediction.get('masks') or [None] * len(prediction['labels'])
        objects = []
        for label, score, bbox, mask in zip(
            prediction['labels'],
            prediction['scores'],
            prediction['bboxes'],
            masks,
            strict=True,
        ):
            if score < self.score_threshold:
                continue
            entry = {
                'label': label,
                'name': self._classes[label],
                'score': score,
                'bbox': bbox,
            }
            if mask is not None:
                entry['mask'] = {**mask, 'counts': _text(mask['counts'])}
            objects.append(entry)
        return objects


class Segmentor(Predictor):
    """Semantic labels by MMSegmentation.

    Args:
        config (Config): Config of a segmentor.
        checkpoint (str): Its weights.
        device (str, optional): Defaults to the accelerator, if any.

    Raises:
        CheckpointError: If the checkpoint is of another model.
    """

    def __init__(
        self, config: Config, checkpoint: str, device: str | None = None
    ) -> None:
        from mmseg.apis import MMSegInferencer

        self._inferencer = _checked(MMSegInferencer)(
            config, checkpoint, device=device
        )
        self._inferencer.show_progress = False
        self._classes = self._inferencer.model.dataset_meta['classes']

    def __call__(self, path: Path) -> Prediction:
        """Segment an image.

        ``result`` has ``classes``: the share of pixels in [0, 1] by the name
        of each class that occurs, the largest first.
        """
        read_image(path)
        with _resizable(path):
            output = self._inferencer(str(path), return_vis=True)
        labels, counts = np.unique(output['predictions'], return_counts=True)
        shares = {
            self._classes[labels[index]]: float(counts[index] / counts.sum())
            for index in np.argsort(-counts)
        }
        return Prediction({'classes': shares}, output['visualization'])


class Classifier(Predictor):
    """Class of an image by MMPretrain.

    Args:
        config (Config): Config of an image classifier.
        checkpoint (str): Its weights.
        device (str, optional): Defaults to the accelerator, if any.

    Raises:
        CheckpointError: If the checkpoint is of another model.
    """

    def __init__(
        self, config: Config, checkpoint: str, device: str | None = None
    ) -> None:
        from mmengine.device import get_device
        from mmpretrain import ImageClassificationInferencer
        from mmpretrain.visualization import UniversalVisualizer

        self._inferencer = ImageClassificationInferencer(
            get_model(config, checkpoint, device or get_device())
        )
        self._visualizer = UniversalVisualizer()

    def __call__(self, path: Path) -> Prediction:
        """Classify an image.

        ``result`` has ``label``, ``score`` in [0, 1] and, where the checkpoint
        knows the names of its classes, ``name``.
        """
        image = read_image(path)
        sample = self._inferencer(str(path), return_datasamples=True)[0]
        label = int(sample.pred_score.argmax())
        result: dict[str, Any] = {
            'label': label,
            'score': float(sample.pred_score[label]),
        }
        classes = self._inferencer.classes
        if classes is not None:
            result['name'] = classes[label]
        picture = self._visualizer.visualize_cls(
            _enlarged(image),
            sample,
            classes=classes,
            draw_gt=False,
            show=False,
        )
        return Prediction(result, picture)


def build_predictor(
    config: str | Config,
    checkpoint: str,
    device: str | None = None,
    score_threshold: float = 0.3,
) -> Predictor:
    """Build the predictor for a config's task, by its ``default_scope``.

    Args:
        config (str | Config): Config, or its path.
        checkpoint (str): Weights of the whole model.
        device (str, optional): Defaults to the accelerator, if any.
        score_threshold (float): Lowest score of detections, in [0, 1].

    Returns:
        Predictor: The predictor.

    Raises:
        ValueError: If the config is none of a classifier, detector or
            segmentor.
        CheckpointError: If the checkpoint is of another model.
    """
    config = read_config(config)
    scope = config.get('default_scope')
    model = config.get('model', {}).get('type', '')
    with quietly():
        if scope == 'mmdet':
            return Detector(config, checkpoint, device, score_threshold)
        if scope == 'mmseg':
            return Segmentor(config, checkpoint, device)
        if scope == 'mmpretrain' and model.endswith('ImageClassifier'):
            return Classifier(config, checkpoint, device)
    raise ValueError(
        f'the config (default_scope={scope!r}, model.type={model!r}) '
        'classifies, detects or segments nothing. A pre-trained model finds '
        'images or texts: give a gallery or texts'
    )


def _checked(inferencer: type[Any]) -> type[Any]:
    """Let an inferencer load a checkpoint only if it fits.

    The libraries' own load what fits and say nothing about the rest.
    """

    class Checked(inferencer):  # type: ignore[misc]
        def _init_model(
            self, cfg: Any, weights: str | None, device: str = 'cpu'
        ) -> Any:
            self._source = weights
            return super()._init_model(cfg, weights, device)

        def _load_weights_to_model(
            self, model: Any, checkpoint: dict[str, Any] | None, cfg: Any
        ) -> None:
            if checkpoint is not None:
                fit = fit_weights(model, checkpoint)
                fit.require(
                    str(self._source),
                    advice='Take the config that it was trained with',
                )
                checkpoint = {**checkpoint, 'state_dict': fit.weights}
            super()._load_weights_to_model(model, checkpoint, cfg)

    return Checked


@contextmanager
def _resizable(path: Path) -> Iterator[None]:
    """Name a picture that is too thin to be resized or drawn, as 3000 x 1.

    Raises:
        ImageError: Instead of the errors of OpenCV and of visualizers.
    """
    try:
        yield
    except (cv2.error, IndexError) as error:
        raise ImageError(
            f'{path} cannot be resized or drawn as the config says: '
            f'{" ".join(str(error).split())}'
        ) from error


def _enlarged(image: np.ndarray) -> np.ndarray:
    """Multiply the pixels of a picture that is too small for a line of text.

    Args:
        image (np.ndarray): (H, W, 3).

    Returns:
        np.ndarray: The same, its shorter side at least ``READABLE`` pixels,
        unless the longer one would have more than ``MOST_PIXELS`` then.
    """
    factor = -(-READABLE // min(image.shape[:2]))
    # but not a line of one pixel to a wall
    factor = min(factor, max(1, MOST_PIXELS // max(image.shape[:2])))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def _text(counts: bytes | str) -> str:
    return counts.decode() if isinstance(counts, bytes) else counts
