"""The spread vectors against a loop over neighbours."""

import torch

from models.retrieval.light_graph import normalised_graph, propagated

USER, VIDEO = torch.tensor([0, 0, 1, 3, 3, 3]), torch.tensor([0, 2, 2, 0, 1, 2])


def test_layers_are_weighted_sums_of_neighbours() -> None:
    generator = torch.Generator().manual_seed(0)
    user, video = torch.randn(4, 5, generator=generator), torch.randn(3, 5, generator=generator)
    neighbours = list(zip(USER.tolist(), VIDEO.tolist(), strict=True))
    degree_u = [sum(u == other for other, _ in neighbours) for u in range(4)]
    degree_v = [sum(v == other for _, other in neighbours) for v in range(3)]
    layers = [(user, video)]
    for _ in range(2):
        below_user, below_video = layers[-1]
        above_user, above_video = torch.zeros_like(user), torch.zeros_like(video)
        for u, v in neighbours:
            weight = (degree_u[u] * degree_v[v]) ** -0.5
            above_user[u] += weight * below_video[v]
            above_video[v] += weight * below_user[u]
        layers.append((above_user, above_video))
    found = propagated(user, video, normalised_graph(USER, VIDEO, 4, 3), 2)
    for side, spread in enumerate(found):
        torch.testing.assert_close(spread, sum(layer[side] for layer in layers) / 3)
    assert found[0][2].equal(user[2] / 3), "who watched nothing keeps a third of the first layer"
    stay = propagated(user, video, normalised_graph(USER, VIDEO, 4, 3), 0)
    assert stay[0].equal(user) and stay[1].equal(video)
