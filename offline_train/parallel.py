"""One training by several processes: who one is among them, and what they do together.

    torchrun --nproc-per-node N -m offline_train.main ...

Every process draws the whole batch's random numbers and computes its own rows, and
DistributedDataParallel takes the mean of their gradients: N processes train as one would. They
share the run's folder. Alone, without torchrun, everything here does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

PATIENCE = timedelta(days=2)  # of those who wait: making pairs may take the first that long


class TeamError(ValueError):
    """Processes that cannot share the work; the message says why in one line."""


@dataclass(frozen=True)
class Team:
    """rank: which process this is, 0 leads. size: how many there are. device: where it computes."""

    rank: int
    size: int
    device: torch.device

    def own(self, count: int) -> slice:
        """This process's rows of a batch of `count`. Raises: TeamError where there is no share."""
        if count % self.size:
            raise TeamError(f"a batch of {count} cannot be shared by {self.size} processes")
        share = count // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def total(self, value: float) -> float:
        """The sum over all processes, the same number in each."""
        if self.size == 1:
            return value
        values: list[float] = [0.0] * self.size
        distributed.all_gather_object(values, value)
        return sum(values)

    @contextmanager
    def one_after_the_leader(self) -> Iterator[None]:
        """What is inside is done by the leader first; the others then find what it has made."""
        if self.size > 1 and self.rank > 0:
            distributed.barrier()
        yield
        if self.size > 1 and self.rank == 0:
            distributed.barrier()


def join() -> Team:
    """The team that torchrun's environment tells of, or just this process; on the GPU where there
    is one, each process on its own."""
    cuda = torch.cuda.is_available()
    rank, size, local = (
        int(os.environ.get(key, default))
        for key, default in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
    )
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if size > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    return Team(rank, size, device)


def leave() -> None:
    """Close the lines to the other processes, if there are any."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def rows_of_all(draw: Callable[[int], Tensor], count: int) -> Tensor:
    """This process's `count` rows of the random numbers that `draw` makes for everyone's.

    Every process is seeded alike, so the rows are those that one process would have drawn.
    """
    if not distributed.is_initialized():
        return draw(count)
    first = distributed.get_rank() * count
    return draw(count * distributed.get_world_size())[first : first + count]


class Dropout(nn.Module):
    """As torch's, but the mask is the whole batch's, whoever computes which of its rows."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, ...) with `share` of it at zero while training, the rest louder for it."""
        if not self.training or self.share == 0.0:
            return x
        drawn = rows_of_all(lambda n: torch.rand(n, *x.shape[1:], device=x.device), len(x))
        return x * (drawn >= self.share) / (1.0 - self.share)
