"""Collectives between two real processes."""

import pytest
import torch
from torch import distributed
from torch.multiprocessing import get_context

from m3i_mm.models.pretrainers.distributed import (
    check_equal_batches,
    gather_with_gradient,
)

pytestmark = pytest.mark.openmmlab


def gather(rank, folder, sizes):
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    rows = torch.full((sizes[rank], 3), rank + 1.0, requires_grad=True)
    try:
        check_equal_batches(sizes[rank])
        gathered = gather_with_gradient(rows)
        (gathered[:, 0] * torch.arange(len(gathered))).sum().backward()
        result = gathered.detach(), rows.grad
    except ValueError as error:
        result = str(error)
    torch.save(result, f'{folder}/{rank}.pth')
    distributed.barrier()
    distributed.destroy_process_group()


def gather_in_two_processes(folder, *sizes):
    processes = [
        get_context('fork').Process(target=gather, args=(rank, folder, sizes))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    return [torch.load(folder / f'{rank}.pth') for rank in range(2)]


def test_gradients_return_to_their_process(tmp_path):
    results = gather_in_two_processes(tmp_path, 2, 2)
    for rank, (gathered, gradient) in enumerate(results):
        assert gathered[:, 0].tolist() == [1, 1, 2, 2]
        # both processes have a loss of all four rows
        rows = torch.tensor([2.0 * rank, 2.0 * rank + 1])
        torch.testing.assert_close(gradient[:, 0], 2 * rows)


def test_unequal_batches_name_their_sizes(tmp_path):
    for message in gather_in_two_processes(tmp_path, 2, 3):
        assert 'batches differ: [2, 3]' in message
        assert 'drop_last=True' in message
