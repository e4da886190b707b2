"""ESMM's product along the chain: each act's probability is that of the act before times a conditional one.

Shape legend: B rows, O outputs of a head.
"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor
from torch.nn import functional

from models.encoders.base import EncodedShape
from models.logspace import logit_of_log
from models.trunks.chain import chain_of
from models.trunks.shared_bottom import SharedBottom, SharedBottomConfig


class EsmmChainConfig(SharedBottomConfig):
    """Widths of the shared network."""

    kind: Literal["esmm_chain"] = "esmm_chain"  # type: ignore[assignment]


class EsmmChain(SharedBottom):
    """P(valid) = P(not skipped) s(o), P(long) = P(valid) s(o), P(finish) = P(long) s(o), over a shared bottom.

    Source: Ma et al., SIGIR 2018; docs/methods/multi_task.md#esmm-chain, where the chain is our reading. Every task is
    still trained against its own label on all impressions, so the products are fitted on the entire space.
    """

    Config = EsmmChainConfig

    def __init__(self, config: EsmmChainConfig, shape: EncodedShape, tasks: Sequence[str]) -> None:
        super().__init__(config, shape, tasks)
        self.chain = chain_of(tasks)

    def couple(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        """Replace the conditional logits of the chain by the logits of the products."""
        coupled = dict(raw)
        log_p_BO: Tensor | None = None
        for task in self.chain:
            if task == "skip":
                log_p_BO = functional.logsigmoid(-raw[task].float())
                continue
            conditional_BO = functional.logsigmoid(raw[task].float())
            log_p_BO = conditional_BO if log_p_BO is None else log_p_BO + conditional_BO
            coupled[task] = logit_of_log(log_p_BO)
        return coupled
