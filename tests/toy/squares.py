"""A data set of coloured squares, a backbone that sees the colour, texts."""

import torch
from mmengine.model import BaseModel
from mmpretrain.structures import DataSample
from torch.utils.data import Dataset

from m3i_mm.registry import DATASETS, MODELS, TOKENIZER

COLORS = torch.eye(3) * 200 + 20
NAMES = ['red', 'green', 'blue']


@DATASETS.register_module(force=True)
class ToySquares(Dataset):
    """Squares of three colours; half of each is noise."""

    def __init__(self, size=12, seed=0, text=True, fields=('color', 'name')):
        self.size = size
        self.seed = seed
        self.text = text
        self.fields = fields

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        color = index % 3
        generator = torch.Generator().manual_seed(self.seed * 1000 + index)
        image = COLORS[color][:, None, None].repeat(1, 8, 8)
        image[:, 4:] = 255 * torch.rand(3, 4, 8, generator=generator)
        sample = DataSample(metainfo=dict(sample_key=f'{self.seed}-{index}'))
        sample.set_gt_label(color)
        if 'color' in self.fields:
            sample.set_field(torch.tensor(color), 'color')
        if 'name' in self.fields:
            sample.set_field(NAMES[color], 'name', field_type='metainfo')
        if self.text is True or (self.text == 'some' and index % 2):
            sample.set_field(torch.tensor([color + 1, 0]), 'text_tokens')
        return dict(inputs=image, data_samples=sample)


@TOKENIZER.register_module(force=True)
class ToyTokenizer:
    """The last word of a text is a colour."""

    def __call__(self, text):
        return torch.tensor([NAMES.index(text.split()[-1]) + 1, 0])


@MODELS.register_module(force=True)
class ToyM3I(BaseModel):
    """Follows M3I's contract; its embedding is the mean colour."""

    def __init__(self, data_preprocessor=None, text=True):
        super().__init__(data_preprocessor)
        self.scale = torch.nn.Parameter(torch.ones(()))
        self.text = text

    def encode_image(self, images):
        return torch.nn.functional.normalize(images.mean((2, 3)), dim=1)

    def encode_text(self, tokens):
        return torch.eye(3, device=tokens.device)[tokens[:, 0] - 1]

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            return dict(loss=self.scale * inputs.mean())
        for image, sample in zip(inputs, data_samples, strict=True):
            sample.set_field(image.mean((1, 2)) * self.scale, 'feature')
            if not self.text:
                continue
            embedding = self.encode_image(image[None])[0]
            sample.set_field(embedding, 'image_embedding')
            if 'text_tokens' in sample:
                text = self.encode_text(sample.text_tokens[None])[0]
                sample.set_field(text, 'text_embedding')
        return data_samples


PREPROCESSOR = dict(
    type='mmpretrain.SelfSupDataPreprocessor',
    mean=[127.5] * 3,
    std=[127.5] * 3,
)


def toy_config(work_dir, **changes):
    """A whole config: training on the squares, evaluation on three sets."""
    sets = dict(
        batch_size=5,
        bank=dict(dataset=dict(type='ToySquares', size=30)),
        query=dict(dataset=dict(type='ToySquares', size=13, seed=1)),
    )
    evaluator = [
        dict(type='m3i_mm.KNNAccuracy', field='color', k=5),
        dict(type='m3i_mm.LinearProbe', field='name'),
        dict(type='m3i_mm.InstanceRetrieval', field='color', gallery='bank'),
    ]
    return dict(
        default_scope='mmpretrain',
        work_dir=str(work_dir),
        model=dict(type='ToyM3I', data_preprocessor=PREPROCESSOR),
        val_dataloader=sets,
        val_evaluator=evaluator,
        val_cfg=dict(type='m3i_mm.FeatureEvalLoop'),
        test_dataloader=sets,
        test_evaluator=evaluator,
        test_cfg=dict(type='m3i_mm.FeatureEvalLoop'),
        train_dataloader=dict(
            batch_size=4,
            dataset=dict(type='ToySquares', size=8),
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='default_collate'),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=2, val_interval=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.0)),
        default_hooks=dict(
            checkpoint=dict(
                type='CheckpointHook', interval=1, save_best='knn/color_top1'
            ),
        ),
        **changes,
    )
