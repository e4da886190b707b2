"""SETRec: a video is a set of slots, one of who watched it and some of its content, each asked for by a learned query
(docs/methods/retrieval.md#setrec).

Shapes: B users, H past videos, V videos, W of them watched, S slots (the first is of who watched it), D width of a slot, K numbers of
a collaborative vector, C of content.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.retrieval.watched import NONE

HEADS = 2


class SetRec(nn.Module):
    """One layer that reads the slots of past videos, one by which queries ask them, all in one step.

    Args:
        collaborative_VK: vectors of who watched what, held as they are; only the first `watched` rows are read.
        content_VC: content, NaN in the rows of videos without.
        watched: W; videos that somebody watched stand before all others.
        semantic: slots of content, S - 1.
        width: D.
        hidden: neurons between content and slots, and back.
        history: H at most.
        dropout: in both layers.
    """

    collaborative_VK: Tensor
    content_VC: Tensor
    described_V: Tensor

    def __init__(
        self,
        collaborative_VK: Tensor,
        content_VC: Tensor,
        watched: int,
        semantic: int,
        width: int,
        hidden: int,
        history: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.watched, self.semantic = watched, semantic
        described_V = ~content_VC[:, 0].isnan()
        self.register_buffer("described_V", described_V)
        self.register_buffer("collaborative_VK", _standardised(collaborative_VK, torch.arange(watched)))
        self.collaborative_VK[watched:] = 0  # the mean: nothing is known of who would watch them
        self.register_buffer("content_VC", _standardised(content_VC, described_V[:watched].nonzero().flatten()))
        self.collaborative = nn.Linear(collaborative_VK.shape[1], width, bias=False)
        self.encode = _network(content_VC.shape[1], hidden, semantic * width)
        self.decode = _network(semantic * width, hidden, content_VC.shape[1])
        self.places = nn.Embedding(history, width)
        self.queries = nn.Parameter(torch.randn(1 + semantic, width) * width**-0.5)
        self.reader = nn.TransformerEncoderLayer(width, HEADS, 4 * width, dropout, batch_first=True)
        self.asker = nn.TransformerDecoderLayer(width, HEADS, 4 * width, dropout, batch_first=True)

    def slots(self) -> Tensor:
        """Return the slots of every video, [V, S, D]; of a video without content the mean of those that have some."""
        semantic_VD = self.encode(self.content_VC)
        taught_V = self.described_V[: self.watched]
        mean_D = semantic_VD[: self.watched][taught_V].mean(dim=0)
        semantic_VD = torch.where(self.described_V[:, None], semantic_VD, mean_D)
        collaborative_VD = self.collaborative(self.collaborative_VK)
        return torch.cat([collaborative_VD[:, None], semantic_VD.reshape(len(semantic_VD), self.semantic, -1)], dim=1)

    def ask(self, past_BH: Tensor, slot_VSD: Tensor) -> Tensor:
        """Return what each query finds in the past, [B, S, D].

        Args:
            past_BH: videos, oldest first, `NONE` before the first; at least one.
            slot_VSD: of `slots`. Those of one video share a place.
        """
        num_slots = slot_VSD.shape[1]
        token_BHSD = slot_VSD[past_BH.clamp(min=0)] + self.places.weight[-past_BH.shape[1] :, None]
        unknown_BT = (past_BH == NONE).repeat_interleave(num_slots, dim=1)
        read_BTD = self.reader(token_BHSD.flatten(1, 2), src_key_padding_mask=unknown_BT)
        query_BSD = self.queries.expand(len(past_BH), -1, -1)
        return cast(Tensor, self.asker(query_BSD, read_BTD, memory_key_padding_mask=unknown_BT))

    def loss(self, past_BH: Tensor, video_B: Tensor, alpha: float) -> Tensor:
        """Return the cross-entropy of what was watched next among all watched videos, summed over slots, + alpha times the mean
        squared error of the content that the slots give back.

        Args:
            past_BH: as for `ask`.
            video_B: what was watched next.
            alpha: weight of the second.
        """
        slot_VSD = self.slots()
        watched_WSD = slot_VSD[: self.watched]
        logit_BSW = torch.einsum("bsd,wsd->bsw", self.ask(past_BH, slot_VSD), watched_WSD)
        asked = functional.cross_entropy(logit_BSW.transpose(1, 2), video_B[:, None].expand(-1, logit_BSW.shape[1]))
        taught = self.described_V[: self.watched].nonzero().flatten()
        given_back = self.decode(watched_WSD[taught, 1:].flatten(1))
        return asked * logit_BSW.shape[1] + alpha * functional.mse_loss(given_back, self.content_VC[taught])

    @torch.no_grad()
    def logits(self, past_BH: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of the collaborative slot and the sum of those of the semantic ones, [B, V] each.

        Both are less their mean over the watched videos, a number of each user alone: 0 is what a video has of which nothing is
        known, so logits of videos with a collaborative slot and of those without can stand in one list.
        """
        slot_VSD = self.slots()
        mean_SD = slot_VSD[: self.watched].mean(dim=0)
        mean_SD[1:] = slot_VSD[: self.watched][self.described_V[: self.watched], 1:].mean(dim=0)
        known_V1 = torch.arange(len(slot_VSD), device=slot_VSD.device)[:, None] < self.watched
        state_BSD = self.ask(past_BH, slot_VSD)
        collaborative_VD = (slot_VSD[:, 0] - mean_SD[0]) * known_V1
        semantic_VSD = (slot_VSD[:, 1:] - mean_SD[1:]) * self.described_V[:, None, None]
        return state_BSD[:, 0] @ collaborative_VD.T, torch.einsum("bsd,vsd->bv", state_BSD[:, 1:], semantic_VSD)


def _standardised(vector_VC: Tensor, taught: Tensor) -> Tensor:
    """Return vectors less the mean of some rows, by their deviation (1 where it is 0); 0 where there is none."""
    scale_C, mean_C = torch.std_mean(vector_VC[taught], dim=0, correction=0)
    return ((vector_VC - mean_C) / torch.where(scale_C > 0, scale_C, 1)).nan_to_num()


def _network(into: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(into, hidden), nn.ReLU(), nn.Linear(hidden, out))
