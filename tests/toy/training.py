"""A model and images small enough for whole training runs in a test."""

import os
import signal

import torch
from mmcv.cnn import build_norm_layer
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from mmpretrain.registry import DATASETS, HOOKS, METRICS, MODELS
from torch import nn
from torch.utils.data import Dataset


@DATASETS.register_module()
class ToyImages(Dataset):
    """Images whose label is the sign of their mean; sample i is fixed."""

    def __init__(self, length=16, data_root=''):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if index >= self.length:
            raise IndexError
        generator = torch.Generator().manual_seed(index)
        image = torch.randn(3, 4, 4, generator=generator)
        label = int(image.mean() > 0)
        sample = BaseDataElement(metainfo=dict(label=label, index=index))
        return dict(inputs=image, data_samples=sample)


@MODELS.register_module()
class ToyModel(BaseModel):
    """Two losses, and the accidents that tests need.

    Iteration ``nan_at`` (from 0) makes the second loss NaN; ``break_at``
    a weight.
    """

    def __init__(
        self,
        nan_at=None,
        break_at=None,
        batch_norm=True,
        dropout=0.0,
        width=4,
        norm_cfg=None,
    ):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3)
        self.norm = nn.Identity()
        if batch_norm:
            norm_cfg = norm_cfg or dict(type='BN')
            self.norm = build_norm_layer(norm_cfg, width)[1]
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, 2)
        self.nan_at = nan_at
        self.break_at = break_at
        self.calls = 0

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss' and self.calls == self.nan_at:
            inputs = inputs * float('nan')
        if mode == 'loss' and self.calls == self.break_at:
            self.stem.weight.data.fill_(float('nan'))
        maps = self.norm(self.stem(inputs))
        logits = self.head(self.dropout(maps.mean((2, 3))))
        if mode == 'predict':
            for sample, scores in zip(data_samples, logits, strict=True):
                sample.scores = scores
            return data_samples
        self.calls += 1
        labels = torch.tensor([sample.label for sample in data_samples])
        return {
            'category.loss': nn.functional.cross_entropy(
                logits.nan_to_num().float(), labels.to(logits.device)
            ),
            'intra.loss': maps.square().mean().float(),
            'intra.spread': maps.detach().std().float(),
        }


@METRICS.register_module()
class ToyAccuracy(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results += [
            int(sample['scores'].argmax()) == sample['label']
            for sample in data_samples
        ]

    def compute_metrics(self, results):
        return dict(top1=sum(results) / len(results))


@HOOKS.register_module()
class KillHook(Hook):
    """Ends the process in iteration ``at``, as a power cut would."""

    def __init__(self, at):
        self.at = at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
