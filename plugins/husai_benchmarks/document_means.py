"""Document means: what each latent does on average while a document is read, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from husai_core import Coder, Read

if TYPE_CHECKING:
    from torch import Tensor

CELLS_AT_ONCE = 2**23  # rows x latents held as latents


def document_means(coder: Coder, read: Read) -> Tensor:
    """Mean magnitude of every latent over the tokens of each document (documents, d_sae), in float64."""
    import torch

    owner = torch.empty(len(read.rows_in), dtype=torch.long)
    for number, (begin, end) in enumerate(read.spans):
        owner[begin:end] = number
    sums = torch.zeros(len(read.spans), coder.dims.d_sae, dtype=torch.float64)
    size = max(1, CELLS_AT_ONCE // coder.dims.d_sae)
    with torch.no_grad():
        for begin in range(0, len(owner), size):
            latents = coder.encode(read.rows_in[begin : begin + size])
            sums.index_add_(0, owner[begin : begin + size], latents.abs().double())
    counts = torch.tensor([end - begin for begin, end in read.spans], dtype=torch.float64)
    return sums / counts.unsqueeze(1)
