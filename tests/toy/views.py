"""M3I without chance: fixed views, and a mix that is a chessboard."""

import torch
from mmpretrain.registry import DATASETS, MODELS
from mmpretrain.structures import DataSample
from torch.utils.data import Dataset

from m3i_mm.models.pretrainers import Mask, PatchMix


@DATASETS.register_module()
class FixedViews(Dataset):
    """Two views per image; ``order`` names the images of one batch of 8."""

    def __init__(self, order, length=32, size=16, views=2):
        self.size = size
        self.views = views
        self.indices = [
            start + place for start in range(0, length, 8) for place in order
        ]

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, place):
        index = self.indices[place]
        generator = torch.Generator().manual_seed(index)
        shape = (2, 3, self.size, self.size)
        views = 255 * torch.rand(shape, generator=generator)
        sample = DataSample()
        sample.set_gt_label(index % 26)
        sample.set_field(torch.tensor(index % 26), 'subgroup')
        tokens = torch.tensor([49406, 1 + index, 5 + index, 49407, 0])
        sample.set_field(tokens, 'text_tokens')
        # top, left, height, width, flip, image height, image width
        geometry = torch.tensor(
            [[0, 0, 16, 16, 0, 24, 24], [index % 8, 4, 16, 20, 1, 24, 24]]
        )
        sample.set_field(geometry.float(), 'view_geometry')
        inputs = list(views[: self.views])
        return dict(
            inputs=inputs if self.views > 1 else inputs[0],
            data_samples=sample,
        )


@MODELS.register_module()
class ChessboardMix(PatchMix):
    def draw_members(self, mixes, grid, device):
        rows, columns = torch.meshgrid(
            *(torch.arange(size, device=device) for size in grid),
            indexing='ij',
        )
        owner = ((rows + columns) % 2).expand(mixes, *grid)
        return [Mask.of(owner == number) for number in range(2)]
