"""The plain multi-layer perceptron that trunks, towers and attention units are made of."""

from collections.abc import Sequence

from torch import nn

from models.dropout import Dropout


def mlp(in_width: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """Return Linear, ReLU, dropout for every hidden width; no hidden width gives the identity."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(in_width, width), nn.ReLU(), Dropout(dropout)]
        in_width = width
    return nn.Sequential(*layers)
