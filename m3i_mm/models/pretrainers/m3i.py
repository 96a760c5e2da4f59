"""M3I: pre-training by maximising multi-modal mutual information.

Implements Su et al., "Towards All-in-one Pre-training via Maximizing
Multi-modal Mutual Information", CVPR 2023 (arXiv 2211.09807)::

    views, labels, texts --input--> images --backbone, neck--> z_x
                                                                |
    z_y <--target encoders-- other views, labels, texts     decoders
     |                                                          |
     +------------------- likelihood: -log P^(z_y | z^_y) ----- z^_y
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from mmengine.model import BaseModel, ModuleDict
from torch import Tensor
from torch.nn import functional as F

from m3i_mm.registry import MODELS

from .batch import Batch, MissingInputError
from .distributed import global_mean
from .encoders import FrozenEncoder, MomentumEncoder, encode_image
from .inputs import Pass
from .monitors import effective_rank, feature_std
from .objectives import Objective, Prediction
from .targets import CategoryTarget, TextTarget
from .tokens import ImageTokens

__all__ = ['M3I']


@MODELS.register_module()
class M3I(BaseModel):
    r"""All-in-one pre-training, and every method that is a case of it.

    Minimises a sum over targets of negative log-likelihoods

    .. math::
        \sum_k w_k \, E \left[ -\log P_k( z_{y_k} | f_{\psi_k}(z_x, t) )
        \right]

    each a lower bound of the mutual information between what the encoder
    says of the input and that target (paper sections 1.2 and 3).

    Args:
        backbone (dict): Image encoder f_theta: any backbone with feature
            maps ``(B, C, h, w)``.
        objectives (dict[str, dict]): The targets by name. Each has
            ``target``, ``decoder`` (a config, or a key of ``decoders``),
            ``likelihood``, and optionally ``weight`` (1.0) and ``members``,
            the images of a mix that it applies to (all). None switches an
            inherited objective off.
        input (dict, optional): What the encoder sees. Defaults to
            ``dict(type='SingleView')``.
        neck (dict, optional): Turns the maps of the backbone into one map,
            or into a vector per image. Part of the image encoder.
        decoders (dict[str, dict], optional): Decoders that objectives share.
        momentum_encoder (dict, optional): ``dict(type='MomentumEncoder')``
            for targets with ``encoder='momentum'``.
        frozen_encoder (dict, optional): ``dict(type='FrozenEncoder', ...)``
            for targets with ``encoder='frozen'``.
        weights (dict, optional): ``LearnedWeights`` learns the weights of the
            objectives. Defaults to ``dict(type='FixedWeights')``.
        monitor_interval (int): Steps between the collapse monitors
            ``feature_std`` and ``effective_rank``. Defaults to 10.
        patience (int): Batches in a row without a single label or text that
            an objective needs, after which training stops. Defaults to 100.
        data_preprocessor (dict, optional): Defaults to MMPretrain's
            ``SelfSupDataPreprocessor``.
        init_cfg (dict, optional): Initialisation.

    Raises:
        ValueError: If the parts do not fit together; names the objective.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        objectives: dict[str, dict[str, Any]],
        input: dict[str, Any] | None = None,
        neck: dict[str, Any] | None = None,
        decoders: dict[str, dict[str, Any]] | None = None,
        momentum_encoder: dict[str, Any] | None = None,
        frozen_encoder: dict[str, Any] | None = None,
        weights: dict[str, Any] | None = None,
        monitor_interval: int = 10,
        patience: int = 100,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        preprocessor = dict(data_preprocessor or {})
        preprocessor.setdefault('type', 'mmpretrain.SelfSupDataPreprocessor')
        super().__init__(preprocessor, init_cfg)
        objectives = {k: cfg for k, cfg in objectives.items() if cfg}
        self.input = MODELS.build(input or dict(type='SingleView'))
        self.backbone = MODELS.build(backbone)
        self.neck = None if neck is None else MODELS.build(neck)
        self.decoders = ModuleDict(
            {name: MODELS.build(cfg) for name, cfg in (decoders or {}).items()}
        )
        self.objectives = ModuleDict(
            {
                name: self._build_objective(name, dict(cfg))
                for name, cfg in objectives.items()
            }
        )
        self.weights = MODELS.build(
            weights or dict(type='FixedWeights'),
            default_args=dict(names=list(objectives)),
        )
        self.momentum_encoder: MomentumEncoder | None = None
        if momentum_encoder is not None:
            self.momentum_encoder = MODELS.build(
                momentum_encoder,
                default_args=dict(backbone=self.backbone, neck=self.neck),
            )
        self.frozen_encoder: FrozenEncoder | None = None
        if frozen_encoder is not None:
            self.frozen_encoder = MODELS.build(frozen_encoder)
        self.monitor_interval = monitor_interval
        self.patience = patience
        self._waits: Counter[str] = Counter()
        self._steps = 0
        self._check_encoders()

    def _build_objective(self, name: str, cfg: dict[str, Any]) -> Objective:
        missing = {'target', 'decoder', 'likelihood'} - cfg.keys()
        if missing:
            raise ValueError(f'Objective {name!r} lacks {sorted(missing)}')
        count = self.input.num_members
        members = cfg.setdefault('members', tuple(range(count)))
        if not members or not set(members) <= set(range(count)):
            raise ValueError(
                f'Objective {name!r}: members={tuple(members)}, but '
                f'{type(self.input).__name__} has images 0 to {count - 1}'
            )
        if not isinstance(cfg['decoder'], str):
            self.decoders[name] = MODELS.build(cfg['decoder'])
            cfg['decoder'] = name
        elif cfg['decoder'] not in self.decoders:
            raise ValueError(
                f'Objective {name!r} uses the decoder {cfg["decoder"]!r}, '
                f'but decoders has {sorted(self.decoders)}'
            )
        return Objective(**cfg)

    def named_objectives(self) -> Iterator[tuple[str, Objective]]:
        """Iterate over the objectives and their names."""
        for name, objective in self.objectives.items():
            yield name, cast(Objective, objective)

    def _check_encoders(self) -> None:
        for name, objective in self.named_objectives():
            encoder = objective.target.encoder
            if (
                encoder in ('momentum', 'frozen')
                and getattr(self, f'{encoder}_encoder') is None
            ):
                raise ValueError(
                    f'Objective {name!r} needs the {encoder} encoder: set '
                    f'{encoder}_encoder of M3I'
                )

    def forward(
        self,
        inputs: Tensor | list[Tensor],
        data_samples: Sequence[Any] | None = None,
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | tuple[Tensor, ...] | list[Any]:
        """Run the model, in the contract of MMPretrain.

        Args:
            inputs (Tensor | list[Tensor]): Images ``(B, 3, H, W)``, or for
                ``mode='loss'`` a list of views of that shape.
            data_samples (Sequence[DataSample], optional): B samples.
            mode (str): ``'loss'``, ``'predict'`` or ``'tensor'``.

        Returns:
            See :meth:`loss`, :meth:`predict` and :meth:`extract_feat`.
        """
        if mode == 'loss':
            views = [inputs] if isinstance(inputs, Tensor) else inputs
            return self.loss(views, data_samples)
        images = inputs if isinstance(inputs, Tensor) else inputs[0]
        if mode == 'predict':
            return self.predict(images, data_samples)
        if mode == 'tensor':
            return self.extract_feat(images)
        raise RuntimeError(
            f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}"
        )

    # ------------------------------------------------------------- training

    def loss(
        self, inputs: list[Tensor], data_samples: Sequence[Any] | None = None
    ) -> dict[str, Tensor]:
        """Compute the loss of every objective.

        Args:
            inputs (list[Tensor]): Views of shape ``(B, 3, H, W)``.
            data_samples (Sequence[DataSample], optional): B samples.

        Returns:
            dict[str, Tensor]: ``loss_{name}``, weighted, of every objective;
            and, not part of the sum, weights, temperatures, variances and
            collapse monitors.
        """
        batch = Batch(inputs, data_samples, self._target_encoders())
        losses: dict[str, Tensor] = {}
        passes = self.input(batch)
        for step in passes:
            tokens = step.encode(self.backbone, self.neck, step.images)
            for name, objective in self.named_objectives():
                prediction = self._predict(name, batch, step, tokens)
                loss = global_mean(prediction.losses, prediction.target.valid)
                loss = objective.weight * self.weights(name, loss)
                key = f'loss_{name}'
                losses[key] = losses.get(key, 0) + loss / len(passes)
        self._check_absent(batch)
        losses.update(self._monitors(tokens))
        self._steps += 1
        return losses

    def _predict(
        self, name: str, batch: Batch, step: Pass, tokens: ImageTokens
    ) -> Prediction:
        objective = cast(Objective, self.objectives[name])
        decoder = self.decoders[objective.decoder]
        try:
            return objective(batch, step, tokens, decoder)
        except MissingInputError as error:
            raise MissingInputError(f'Objective {name!r}: {error}') from error

    def _check_absent(self, batch: Batch) -> None:
        """Stop when the pipeline never gives what an objective needs."""
        for name, objective in self.named_objectives():
            field = getattr(objective.target, 'field', None)
            absent = field in batch.absent
            self._waits[name] = self._waits[name] + 1 if absent else 0
            if self._waits[name] >= self.patience:
                raise MissingInputError(
                    f'Objective {name!r}: no sample of the last '
                    f'{self.patience} batches has the field {field!r}. Let '
                    'the pipeline load it, or remove the objective'
                )

    def _target_encoders(self) -> dict[str, Any]:
        encoders: dict[str, Any] = dict(online=self.encode)
        for name in ('momentum', 'frozen'):
            encoder = getattr(self, f'{name}_encoder')
            if encoder is not None:
                encoders[name] = encoder
        return encoders

    def _monitors(self, tokens: ImageTokens) -> dict[str, Tensor]:
        values: dict[str, Tensor] = {}
        for name, objective in self.named_objectives():
            values.update(objective.settings(name))
        if self._steps % self.monitor_interval == 0:
            pooled = tokens.mean()
            values['feature_std'] = feature_std(pooled)
            values['effective_rank'] = effective_rank(pooled)
        return values

    def update_momentum_encoder(self, momentum: float) -> None:
        """Average the online encoder into the momentum encoder.

        Args:
            momentum (float): Share of the old average, in [0, 1].
        """
        if self.momentum_encoder is not None:
            self.momentum_encoder.update_parameters(self, momentum)

    def sync_momentum_encoder(self) -> None:
        """Start the momentum encoder from the online one, if not trained."""
        if self.momentum_encoder is not None and (
            self.momentum_encoder.steps == 0
        ):
            self.momentum_encoder.copy_from(self)

    def init_weights(self) -> None:
        """Initialise, then copy the online encoder to its average."""
        super().init_weights()
        self.sync_momentum_encoder()

    # -------------------------------------------------------------- use

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

    def _objective_of(self, kind: type) -> Objective:
        for _, objective in self.named_objectives():
            if isinstance(objective.target, kind):
                return objective
        raise ValueError(
            f'This M3I model has no {kind.__name__}: it was '
            f'trained for {sorted(self.objectives)}'
        )

    def encode_image(self, images: Tensor) -> Tensor:
        """Embed images where texts live.

        Args:
            images (Tensor): ``(B, 3, H, W)``.

        Returns:
            Tensor: Unit-length embeddings ``(B, D)``.

        Raises:
            ValueError: If the model has no text target.
        """
        decoder = self.decoders[self._objective_of(TextTarget).decoder]
        return F.normalize(decoder(self.encode(images)).float(), dim=-1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Embed texts.

        Args:
            tokens (Tensor): Token ids ``(B, L)``.

        Returns:
            Tensor: Unit-length embeddings ``(B, D)``.

        Raises:
            ValueError: If the model has no text target.
        """
        target = self._objective_of(TextTarget).target
        return F.normalize(target.encode(tokens).float(), dim=-1)

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
        outputs = dict(feature=tokens.mean())
        outputs.update(self._predict_global(tokens))
        for row, sample in enumerate(data_samples):
            for name, values in outputs.items():
                sample.set_field(values[row], name)
        self._add_text_embeddings(data_samples)
        return list(data_samples)

    def _predict_global(self, tokens: ImageTokens) -> dict[str, Tensor]:
        outputs = {}
        for _, objective in self.named_objectives():
            target = objective.target
            if not isinstance(target, (CategoryTarget, TextTarget)):
                continue
            predicted = self.decoders[objective.decoder](tokens).float()
            if isinstance(target, CategoryTarget):
                outputs['pred_score'] = target.logits(predicted).softmax(-1)
            else:
                outputs['image_embedding'] = F.normalize(predicted, dim=-1)
        return outputs

    def _add_text_embeddings(self, samples: Sequence[Any]) -> None:
        texts = [s for s in samples if hasattr(s, 'text_tokens')]
        known = any(
            isinstance(objective.target, TextTarget)
            for _, objective in self.named_objectives()
        )
        if not texts or not known:
            return
        tokens = torch.stack([sample.text_tokens for sample in texts])
        device = next(self.parameters()).device
        for sample, embedding in zip(
            texts, self.encode_text(tokens.to(device)), strict=True
        ):
            sample.set_field(embedding, 'text_embedding')

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
        return self.backbone.get_layer_depth(param_name, 'backbone.')
