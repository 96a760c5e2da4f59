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
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.model import ModuleDict
from torch import Tensor

from m3i_mm.datasets.fields import Annotations
from m3i_mm.registry import MODELS

from .batch import Batch, MissingInputError
from .distributed import check_equal_batches
from .encoders import (
    FrozenEncoder,
    MomentumEncoder,
    build_encoder,
    check_encoder,
)
from .inference import InferenceModel
from .inputs import Pass
from .micro_batches import (
    Represented,
    check_micro_batch,
    represent_in_parts,
)
from .monitors import effective_rank, feature_std
from .objectives import Objective
from .teachers import pixels_of
from .tokens import ImageTokens

__all__ = ['M3I']


@MODELS.register_module()
class M3I(InferenceModel):
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
        teachers (dict[str, dict], optional): ``dict(type='Teacher',
            name='timm:...')`` by the name that targets have as ``encoder``.
            None switches an inherited teacher off.
        weights (dict, optional): ``LearnedWeights`` learns the weights of the
            objectives. Defaults to ``dict(type='FixedWeights')``.
        patience (int): Batches in a row without a single label or text that
            an objective needs, after which training stops. Defaults to 100.
        compile (bool | dict): Whether :meth:`loss` is compiled to one graph;
            a dict has arguments of ``torch.compile``. Defaults to False.
        micro_batch (int, optional): Images that are encoded at a time; their
            activations are computed again for the gradient of the loss over
            the whole batch. Defaults to all.
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
        teachers: dict[str, dict[str, Any] | None] | None = None,
        weights: dict[str, Any] | None = None,
        patience: int = 100,
        compile: bool | dict[str, Any] = False,
        micro_batch: int | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        preprocessor = dict(data_preprocessor or {})
        preprocessor.setdefault('type', 'mmpretrain.SelfSupDataPreprocessor')
        super().__init__(preprocessor, init_cfg)
        objectives = {k: cfg for k, cfg in objectives.items() if cfg}
        self.input = MODELS.build(input or dict(type='SingleView'))
        self.backbone = build_encoder(backbone)
        self.neck = None if neck is None else build_encoder(neck)
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
        self.teachers = ModuleDict(
            {
                name: MODELS.build(cfg, default_args=pixels_of(preprocessor))
                for name, cfg in (teachers or {}).items()
                if cfg is not None
            }
        )
        self.patience = patience
        self.micro_batch = micro_batch
        if micro_batch is not None:
            check_micro_batch(micro_batch, self, bool(compile))
        self._waits: Counter[str] = Counter()
        for name, objective in self.named_objectives():
            with _named(name):
                check_encoder(objective.target.needs.encoder, self._encoders())
        needs = [o.target.needs for _, o in self.named_objectives()]
        # encoders that learn from being a target
        self._learning = {str(need.encoder) for need in needs if need.learns}
        self._compiled_loss = None
        if compile:
            options = dict(compile) if isinstance(compile, dict) else {}
            # of the class, for copies of the model have weights of their own
            self._compiled_loss = torch.compile(
                type(self).loss, fullgraph=True, **options
            )

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
        with _named(name):
            return Objective(**cfg)

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
            annotations = self.collect(data_samples)
            if self._compiled_loss is not None:
                return self._compiled_loss(self, views, annotations)
            return self.loss(views, annotations)
        images = inputs if isinstance(inputs, Tensor) else inputs[0]
        if mode == 'predict':
            return self.predict(images, data_samples)
        if mode == 'tensor':
            return self.extract_feat(images)
        raise RuntimeError(
            f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}"
        )

    def loss(
        self,
        inputs: list[Tensor],
        data_samples: Annotations | Sequence[Any] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the loss of every objective.

        Nothing is read back from the device, and all is one graph.

        Args:
            inputs (list[Tensor]): Views of shape ``(B, 3, H, W)``.
            data_samples (Annotations | Sequence[DataSample], optional): Of B
                samples: what ``collate_annotated`` gives, or a list, which is
                stacked and checked first.

        Returns:
            dict[str, Tensor]: ``loss_{name}``, weighted, of every objective;
            and, not part of the sum, weights, temperatures, variances and
            collapse monitors.
        """
        if not isinstance(data_samples, Annotations):
            data_samples = self.collect(data_samples)
        batch = Batch(inputs, data_samples, self._encoders(), self._learning)
        if self.micro_batch is None:
            represented = self._represent(batch)
        else:
            represented = represent_in_parts(
                self, self._represent, batch, self.micro_batch
            )
        passes = represented.passes
        counts = Counter(name for step in passes for name in step)
        losses: dict[str, Tensor] = {}
        for step in passes:
            for name, objective in self.named_objectives():
                if name not in step:
                    continue
                loss = objective.score(*step[name])
                loss = objective.weight * self.weights(name, loss)
                key = f'loss_{name}'
                losses[key] = losses.get(key, 0) + loss / counts[name]
        for _, objective in self.named_objectives():
            objective.finish()
        return {**losses, **self._monitors(represented.feature)}

    def _represent(self, batch: Batch) -> Represented:
        """Encode the inputs, predict and represent all targets."""
        passes = self.input(batch)  # t_x
        seen = [self._encode_input(step, batch) for step in passes]  # z_x
        return Represented(
            [
                {
                    name: self._predict(name, objective, batch, step, tokens)
                    for name, objective in self.named_objectives()
                    if step.shown(objective.members)
                }
                for step, tokens in zip(passes, seen, strict=True)
            ],
            seen[-1].evaluated(),
        )

    def _encode_input(self, step: Pass, batch: Batch) -> ImageTokens:
        if step.images is None:
            member = step.members[0]
            return batch.encode('online', member, member.view, learns=True)
        return step.encode(self.backbone, self.neck, step.images)

    def _predict(
        self,
        name: str,
        objective: Objective,
        batch: Batch,
        step: Pass,
        tokens: ImageTokens,
    ) -> Any:
        try:
            return objective.predict(
                batch, step, tokens, self.decoders[objective.decoder]
            )
        except MissingInputError as error:
            raise MissingInputError(f'Objective {name!r}: {error}') from error

    def collect(
        self, data_samples: Annotations | Sequence[Any] | None
    ) -> Annotations:
        """Stack and check, on the host, what is known of the images.

        Args:
            data_samples (Annotations | Sequence[DataSample], optional): Of
                the B samples.

        Returns:
            Annotations: Fields that the objectives can use.

        Raises:
            AnnotationError: If a label, text or other field cannot be used;
                names the sample.
            MissingInputError: If no batch of late had what an objective
                needs.
            ValueError: If the batches of the devices differ in size.
        """
        if not isinstance(data_samples, Annotations):
            data_samples = Annotations.stack(
                data_samples or (), self._text_padding()
            )
        objectives = list(self.named_objectives())
        if any(getattr(o.likelihood, 'gathers', False) for _, o in objectives):
            check_equal_batches(len(data_samples))
        for name, objective in objectives:
            with _named(name):
                objective.target.check(data_samples)
            field = objective.target.needs.field
            absent = field is not None and field not in data_samples.host
            self._waits[name] = self._waits[name] + 1 if absent else 0
            if self._waits[name] >= self.patience:
                raise MissingInputError(
                    f'Objective {name!r}: no sample of the last '
                    f'{self.patience} batches has the field {field!r}. Let '
                    'the pipeline load it, or remove the objective'
                )
        return data_samples

    def _text_padding(self) -> dict[str, int]:
        needs = [o.target.needs for _, o in self.named_objectives()]
        return {
            need.field: need.padding
            for need in needs
            if need.field is not None and need.padding is not None
        }

    def _encoders(self) -> dict[str, Any]:
        encoders: dict[str, Any] = dict(online=self.encode)
        for name in ('momentum', 'frozen'):
            encoder = getattr(self, f'{name}_encoder')
            if encoder is not None:
                encoders[name] = encoder
        encoders.update(self.teachers.items())
        return encoders

    def _monitors(self, feature: Tensor) -> dict[str, Tensor]:
        values: dict[str, Tensor] = {}
        for name, objective in self.named_objectives():
            values.update(objective.settings(name))
        values['feature_std'] = feature_std(feature)
        values['effective_rank'] = effective_rank(feature)
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


@contextmanager
def _named(objective: str) -> Iterator[None]:
    """Let errors name the objective that they are about."""
    try:
        yield
    except ValueError as error:
        raise type(error)(f'Objective {objective!r}: {error}') from error
