"""GACN: vectors learned from watches, and from the likeness of two graphs that a generator draws and a discriminator cannot tell
from the true one (docs/methods/retrieval.md#gacn).

Shapes: U users, V videos, E candidate edges, B examples, N users of a subgraph, S edges of it, D width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.retrieval.candidate_edges import CandidateEdges
from models.retrieval.config import GacnOptions
from models.retrieval.light_graph import normalised_graph, propagated
from models.retrieval.lightgcn import bpr_loss
from models.retrieval.vectors import VectorFit, first_vectors
from models.retrieval.watched import Watched

KEPT, NEW = 0.9, 0.1
"""Shares that a generated graph begins with: of watched pairs that it keeps, and of new edges, as a share of watched pairs."""
SOFTNESS = 0.5
"""Temperature of the relaxed draw of an edge."""
SUBGRAPH_USERS = 128
"""Users whose edges a step shows to the discriminator."""


class GacnFit(VectorFit):
    """LightGCN under BPR whose vectors of two views of the graph also have to agree.

    A step of `views: learned` is one of the generator, one of the discriminator and one of the encoder, in this order.

    Args:
        watched: who watched what; every watched video has content.
        width: D.
        options: views, weights, step sizes.
        generator: draws the first weights, edges, and videos that were not watched.
    """

    def __init__(self, watched: Watched, width: int, options: GacnOptions, generator: torch.Generator) -> None:
        super().__init__(watched)
        self._options, self._draw = options, generator
        self._graph_UV = normalised_graph(self._user_P, self._video_P, watched.num_users, watched.num_videos)
        self._user_UD = first_vectors(watched.num_users, width, generator)
        self._video_VD = first_vectors(watched.num_videos, width, generator)
        self._encoder = torch.optim.Adam([self._user_UD, self._video_VD], lr=options.learning_rate)
        self.edges = CandidateEdges.of(watched, 0 if options.views == "dropped" else options.neighbours)
        self._views = ViewGenerator(self.edges, options)
        self._judge = Discriminator(width, generator)
        self._adversaries = [
            torch.optim.Adam(module.parameters(), lr=options.adversary_rate) for module in (self._views, self._judge)
        ]

    def step(self, example_B: Tensor) -> None:
        """Take one step of every part."""
        user_B, video_B = self._user_P[example_B], self._video_P[example_B]
        first = (self._user_UD, self._video_VD)
        spread = propagated(*first, self._graph_UV, self._options.layers)
        if self._options.views == "learned":
            self._adversarial_step(user_B, *(vector.detach() for vector in spread))
        other_B = torch.randint(len(self._video_VD), (len(video_B),), generator=self._draw)
        watched = bpr_loss(first, spread, (user_B, video_B, other_B), self._options.penalty)
        views = [propagated(*first, self._drawn_graph(), self._options.layers) for _ in range(2)]
        alike = [
            info_nce(one[of], other[of], self._options.temperature)
            for one, other, of in zip(*views, (torch.unique(user_B), torch.unique(video_B)), strict=True)
        ]
        loss = sum(alike) + self._options.mu * watched
        self._encoder.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._encoder.step()

    @torch.no_grad()
    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return both tables as the graph of watches spreads them."""
        return propagated(self._user_UD, self._video_VD, self._graph_UV, self._options.layers)

    def probability(self) -> Tensor:
        """Return how likely each candidate edge is in a view, [E]."""
        return self._views.probability().detach()

    def _drawn_graph(self) -> Tensor:
        """Return a view, each edge drawn by its probability."""
        probability_E = self.probability()
        held_E = torch.rand(len(probability_E), generator=self._draw) < probability_E
        edges = self.edges
        return normalised_graph(edges.user_E[held_E], edges.video_E[held_E], edges.num_users, edges.num_videos)

    def _adversarial_step(self, user_B: Tensor, user_UD: Tensor, video_VD: Tensor) -> None:
        """Have the generator fool the discriminator, and the discriminator tell watched pairs from drawn ones.

        Args:
            user_B: users of the examples.
            user_UD: vectors as the graph of watches spreads them.
            video_VD: likewise.
        """
        user_N = torch.unique(user_B)
        user_N = user_N[torch.randperm(len(user_N), generator=self._draw)[:SUBGRAPH_USERS]].sort().values
        place_S = self.edges.of_users(user_N)
        row_S = torch.searchsorted(user_N, self.edges.user_E[place_S])
        video_S, observed_S = self.edges.video_E[place_S], self.edges.observed_E[place_S].float()
        nodes = (user_UD[user_N], video_VD, row_S, video_S)
        of_generator, of_judge = self._adversaries

        held_S = self._views.relaxed(place_S, self._draw)
        fooled = functional.softplus(-self._judge(*nodes, held_S)).mean()  # - log D
        count, true_count = held_S.sum(), observed_S.sum()
        new = (held_S * (1 - observed_S)).sum() / count.clamp_min(1)
        loss = fooled + self._options.size * (count - true_count).abs() / true_count - self._options.novelty * new
        of_generator.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        of_generator.step()

        true, drawn = self._judge(*nodes, observed_S), self._judge(*nodes, held_S.detach())
        told_apart = functional.softplus(-true).mean() + functional.softplus(drawn).mean()
        of_judge.zero_grad()
        told_apart.backward()  # type: ignore[no-untyped-call]
        of_judge.step()


class ViewGenerator(nn.Module):
    """How likely every candidate edge is: a number of its own each, or what needs no learning.

    Args:
        edges: candidates.
        options: which of these.
    """

    def __init__(self, edges: CandidateEdges, options: GacnOptions) -> None:
        super().__init__()
        self._observed_E = edges.observed_E
        if options.views == "dropped":
            share_E = torch.full((len(edges.user_E),), 1 - options.dropped)
        elif options.views == "popular":
            share_E = edges.popular_shares()
        else:
            num_new = len(edges.user_E) - edges.num_observed
            share_E = torch.where(edges.observed_E, KEPT, min(NEW * edges.num_observed / max(num_new, 1), 0.5))
        self._fixed_E = None if options.views == "learned" else share_E
        self.theta_E = nn.Parameter(share_E.logit(eps=1e-6), requires_grad=options.views == "learned")

    def probability(self) -> Tensor:
        """Return the probability of every edge, [E]."""
        return self.theta_E.sigmoid() if self._fixed_E is None else self._fixed_E

    def relaxed(self, place_S: Tensor, generator: torch.Generator) -> Tensor:
        """Return 1 for edges that are drawn and 0 for others, with the gradient of the relaxed draw (straight-through), [S]."""
        chance_S = torch.rand(len(place_S), generator=generator).clamp(1e-6, 1 - 1e-6)
        soft_S = ((self.theta_E[place_S] + chance_S.logit()) / SOFTNESS).sigmoid()
        return (soft_S > 0.5).float() + (soft_S - soft_S.detach())


class Discriminator(nn.Module):
    """Two graph convolutions over a subgraph and one logit of every user in it: true, or drawn.

    Args:
        width: D.
        generator: draws the first weights.
    """

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.video, self.user = (first_vectors(2 * width, width, generator) for _ in range(2))
        self.out = first_vectors(2 * width + 1, 1, generator)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, user_ND: Tensor, video_VD: Tensor, row_S: Tensor, video_S: Tensor, held_S: Tensor) -> Tensor:
        """Return a logit of every user, [N].

        Args:
            user_ND: vectors of the users.
            video_VD: vectors of all videos.
            row_S: place of each edge's user.
            video_S: each edge's video.
            held_S: 1 where the graph holds it, else 0.
        """
        videos, place_S = torch.unique(video_S, return_inverse=True)
        known_MD = video_VD[videos]
        of_users_MD, _ = _mean_of_neighbours(user_ND[row_S], place_S, held_S, len(videos))
        video_MD = functional.relu(torch.cat([known_MD, of_users_MD], dim=1) @ self.video)
        of_videos_ND, degree_N = _mean_of_neighbours(
            torch.cat([known_MD, video_MD], dim=1)[place_S], row_S, held_S, len(user_ND)
        )
        near_ND = functional.relu(of_videos_ND @ self.user)
        state_NX = torch.cat([user_ND * near_ND, near_ND, degree_N.log1p()[:, None]], dim=1)
        logit_N: Tensor = (state_NX @ self.out + self.bias).squeeze(1)
        return logit_N


def info_nce(one_ND: Tensor, other_ND: Tensor, temperature: float) -> Tensor:
    """Return - log of the share of a node's own counterpart in exp(cosine / temperature) over all counterparts, mean over nodes."""
    cosine_NN = functional.normalize(one_ND, dim=1) @ functional.normalize(other_ND, dim=1).T
    return functional.cross_entropy(cosine_NN / temperature, torch.arange(len(one_ND)))


def _mean_of_neighbours(vector_SD: Tensor, place_S: Tensor, held_S: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the mean over held edges, and how many there are; 0 of none."""
    degree_N = torch.zeros(size).index_add(0, place_S, held_S)
    sum_ND = torch.zeros(size, vector_SD.shape[1]).index_add(0, place_S, vector_SD * held_S[:, None])
    return sum_ND / degree_N.clamp_min(1)[:, None], degree_N
