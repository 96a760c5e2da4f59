"""What a pre-trained model says of images and texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from mmengine.model import BaseModel, ModuleDict
from torch import Tensor, nn

from .encoders import encode_image
from .objectives import Objective
from .tokens import ImageTokens

__all__ = ['InferenceModel']


class InferenceModel(BaseModel):
    """An image encoder with the targets that it was trained for.

    Every target says itself what a prediction of it means, see
    :attr:`~.targets.BaseTarget.predicts`.
    """

    backbone: nn.Module
    neck: nn.Module | None
    decoders: ModuleDict
    objectives: ModuleDict

    def named_objectives(self) -> Iterator[tuple[str, Objective]]:
        """Iterate over the objectives and their names."""
        for name, objective in self.objectives.items():
            yield name, cast(Objective, objective)

    def encode(self, images: Tensor) -> ImageTokens:
        """Encode whole images ``(B, 3, H, W)`` to tokens."""
        return encode_image(self.backbone, self.neck, images)

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of the backbone, as MMPretrain does.

        Args:
            inputs (Tensor): Images of shape ``(B, 3, H, W)``.

        Returns:
            tuple[Tensor, ...]: Maps of shape ``(B, C, h, w)``.
        """
        return self.backbone(inputs)

    def outputs(self, tokens: ImageTokens) -> dict[str, Tensor]:
        """Predict all targets that mean something without a sample.

        Args:
            tokens (ImageTokens): Of B whole images.

        Returns:
            dict[str, Tensor]: ``(B, ...)`` by name: ``pred_score`` and
            ``image_embedding``, as far as the model has such targets.
        """
        found: dict[str, Tensor] = {}
        for _, objective in self.named_objectives():
            if objective.target.predicts:
                decoder = self.decoders[objective.decoder]
                prediction = decoder(tokens, None).float()
                found.update(objective.target.outputs(prediction))
        return found

    def predict(
        self, inputs: Tensor, data_samples: Sequence[Any] | None = None
    ) -> list[Any]:
        """Represent images for evaluation.

        Args:
            inputs (Tensor): Images of shape ``(B, 3, H, W)``.
            data_samples (Sequence[DataSample], optional): B samples.

        Returns:
            list[DataSample]: The samples with ``feature`` ``(C, )``, the mean
            of the tokens, and as far as the model has such targets
            ``pred_score``, ``image_embedding`` and ``text_embedding``.
        """
        if data_samples is None:
            from mmpretrain.structures import DataSample

            data_samples = [DataSample() for _ in range(len(inputs))]
        tokens = self.encode(inputs)
        outputs = dict(feature=tokens.evaluated(), **self.outputs(tokens))
        for row, sample in enumerate(data_samples):
            for name, values in outputs.items():
                sample.set_field(values[row], name)
        for _, objective in self.named_objectives():
            objective.target.add_outputs(data_samples)
        return list(data_samples)

    def encode_image(self, images: Tensor) -> Tensor:
        """Embed images where texts live.

        Args:
            images (Tensor): ``(B, 3, H, W)``.

        Returns:
            Tensor: Unit-length embeddings ``(B, D)``.

        Raises:
            ValueError: If the model has no target with texts.
        """
        objective = self._objective_that('encode_text')
        decoder = self.decoders[objective.decoder]
        prediction = decoder(self.encode(images), None).float()
        return objective.target.outputs(prediction)['image_embedding']

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Embed texts.

        Args:
            tokens (Tensor): Token ids ``(B, L)``.

        Returns:
            Tensor: Unit-length embeddings ``(B, D)``.

        Raises:
            ValueError: If the model has no target with texts.
        """
        target = self._objective_that('encode_text').target
        return cast(Any, target).encode_text(tokens)

    def _objective_that(self, method: str) -> Objective:
        for _, objective in self.named_objectives():
            if hasattr(objective.target, method):
                return objective
        raise ValueError(
            f'This M3I model has no target with {method}: it was trained for '
            f'{sorted(self.objectives)}'
        )

    def get_layer_depth(self, param_name: str) -> tuple[int, int]:
        """Return the depth of a parameter for layer-wise learning rates.

        Args:
            param_name (str): Name of the parameter.

        Returns:
            tuple[int, int]: Its layer and the number of layers.
        """
        if not hasattr(self.backbone, 'get_layer_depth'):
            raise NotImplementedError(
                f'{type(self.backbone).__name__} has no get_layer_depth'
            )
        backbone = cast(Any, self.backbone)
        return backbone.get_layer_depth(param_name, 'backbone.')
