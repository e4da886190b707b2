"""RQ-VAE: residual codes of what a small network makes of the content, learned with it (docs/methods/representation.md#rq-vae).

Shapes: V videos, B of a batch, C numbers of a content vector, H hidden units, D of the latent vector, L levels, K codewords.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from tasks.table.items.config import CodedItems, RqVaeTokenizer
from tasks.table.items.rq_kmeans import residual_centres
from tasks.table.items.tokenizer import Codes, Doubles, Tokenizer, added_up, product, residual_codes, standardising

if TYPE_CHECKING:
    from torch import Tensor, nn

_WARM_UP = 3
"""One epoch in so many is of the encoder and decoder alone, before there are codebooks."""
_DECAY = 0.01


@dataclass(frozen=True, eq=False)
class RqVae(Tokenizer):
    """Encoder, codebooks of its latent vectors, decoder.

    Attributes:
        mean_C: as in `Tokenizer`.
        scale_C: as in `Tokenizer`.
        codebooks: [K, D] latent codewords of every level.
        network: weights [in, out] and biases [1, out] of encoder and decoder, two layers each with a ReLU between them.
    """

    kind = "rq_vae"

    mean_C: Doubles
    scale_C: Doubles
    codebooks: tuple[Doubles, ...]
    network: Mapping[str, Doubles]

    @classmethod
    def fitted(cls, content_VC: Doubles, config: CodedItems, codewords: int) -> Self:
        assert isinstance(config.tokenizer, RqVaeTokenizer)
        mean_C, scale_C = standardising(content_VC)
        codebooks, network = _trained((content_VC - mean_C) / scale_C, config, config.tokenizer, codewords)
        return cls(mean_C, scale_C, codebooks, network)

    @classmethod
    def restored(
        cls, mean_C: Doubles, scale_C: Doubles, codebooks: tuple[Doubles, ...], arrays: Mapping[str, Doubles]
    ) -> Self:
        return cls(mean_C, scale_C, codebooks, arrays)

    @property
    def arrays(self) -> Mapping[str, Doubles]:
        return self.network

    def _codes(self, standardised_VC: Doubles) -> Codes:
        return residual_codes(self._through("encoder", standardised_VC), self.codebooks)

    def _standardised(self, codes_VL: Codes) -> Doubles:
        return self._through("decoder", added_up(codes_VL, self.codebooks))

    def _through(self, part: str, rows_VA: Doubles) -> Doubles:
        first, second = (
            (self.network[f"{part}_{layer}_weight"], self.network[f"{part}_{layer}_bias"]) for layer in (1, 2)
        )
        return product(np.maximum(product(rows_VA, first[0]) + first[1], 0.0), second[0]) + second[1]


def _trained(
    standardised_VC: Doubles, items: CodedItems, config: RqVaeTokenizer, codewords: int
) -> tuple[tuple[Doubles, ...], dict[str, Doubles]]:
    """Train on one thread in double precision; return codebooks and the network."""
    import torch  # seconds to load, for who fits codebooks and not for who reads them
    from torch import nn

    threads, width = torch.get_num_threads(), standardised_VC.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(items.seed)
        torch.set_num_threads(1)
        try:
            encoder, decoder = (
                _layers(width, config.hidden, config.latent),
                _layers(config.latent, config.hidden, width),
            )
            rows_VC, books = torch.from_numpy(standardised_VC), nn.ParameterList()
            warm_up = config.epochs // _WARM_UP
            _epochs(rows_VC, encoder, decoder, books, config, warm_up)
            with torch.no_grad():
                latent_VD = encoder(rows_VC).numpy()
            for codebook_KD in residual_centres(latent_VD, items.levels, codewords, items.seed):
                books.append(nn.Parameter(torch.from_numpy(codebook_KD)))
            _epochs(rows_VC, encoder, decoder, books, config, config.epochs - warm_up)
        finally:
            torch.set_num_threads(threads)
    network = {
        f"{part}_{layer}_{name}": np.atleast_2d(value.detach().numpy().T).copy()
        for part, layers in (("encoder", encoder), ("decoder", decoder))
        for layer, place in ((1, 0), (2, 2))
        for name, value in layers[place].named_parameters()
    }
    return tuple(book.detach().numpy().copy() for book in books), network


def _layers(inputs: int, hidden: int, outputs: int) -> "nn.Sequential":
    import torch
    from torch import nn

    first, second = (nn.Linear(*sizes, dtype=torch.float64) for sizes in ((inputs, hidden), (hidden, outputs)))
    return nn.Sequential(first, nn.ReLU(), second)


def _epochs(
    rows_VC: "Tensor",
    encoder: "nn.Sequential",
    decoder: "nn.Sequential",
    books: "nn.ParameterList",
    config: RqVaeTokenizer,
    epochs: int,
) -> None:
    """Train some epochs, with codes where there are codebooks."""
    import torch

    parameters = [*encoder.parameters(), *decoder.parameters(), *books]
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=_DECAY)
    for _ in range(epochs):
        order_V = torch.randperm(len(rows_VC))
        for begin in range(0, len(order_V), config.batch_size):
            row_BC = rows_VC[order_V[begin : begin + config.batch_size]]
            latent_BD = encoder(row_BC)
            code_BD, loss = _quantised(latent_BD, books, config.beta)
            loss = loss + (row_BC - decoder(code_BD)).square().sum(dim=1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def _quantised(latent_BD: "Tensor", books: "nn.ParameterList", beta: float) -> "tuple[Tensor, Tensor]":
    """Return the sum of the nearest codewords, with the gradient of the latent vector, and the loss of the codebooks."""
    import torch

    left_BD, loss = latent_BD, latent_BD.new_zeros(())
    for book_KD in books:
        word_BD = book_KD[torch.cdist(left_BD.detach(), book_KD.detach()).argmin(dim=1)]
        loss = loss + (left_BD.detach() - word_BD).square().sum(dim=1).mean()
        loss = loss + beta * (left_BD - word_BD.detach()).square().sum(dim=1).mean()
        left_BD = left_BD - word_BD.detach()
    return latent_BD - left_BD.detach() if len(books) else latent_BD, loss
