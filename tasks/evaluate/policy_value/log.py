"""The rows of a log as every estimator reads them, and what a reader must see before believing one.

Shapes: B rows, A actions.
"""

from dataclasses import dataclass

import numpy as np

from models.weights import effective_sample_size
from tasks.core.errors import ContractError
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class PolicyLog:
    """One log, seen from the policy that is to be evaluated.

    Attributes:
        reward_B: [B] observed rewards.
        weight_B: [B] pi_e(a|x) / pi_b(a|x), not clipped.
        units: randomised unit (user, request) of each row: what the bootstrap draws.
        fitted_B: [B] q(x, a), the reward model at the logged action, from a fold that did not see the row.
        expected_B: [B] q(x, pi_e) = sum_a pi_e(a|x) q(x, a), from the same fold.

    Raises:
        ContractError: if lengths differ, a value is not finite, or a weight is negative.
    """

    reward_B: FloatArray
    weight_B: FloatArray
    units: Groups
    fitted_B: FloatArray
    expected_B: FloatArray

    def __post_init__(self) -> None:
        columns = {name: getattr(self, name) for name in ("reward_B", "weight_B", "fitted_B", "expected_B")}
        sizes = {name: values.size for name, values in columns.items()} | {"units": self.units.code_B.size}
        if len(set(sizes.values())) != 1 or not self.reward_B.size:
            raise ContractError(f"a policy log needs one value per row and at least one row, got {sizes}")
        bad = [name for name, values in columns.items() if not np.isfinite(values).all()]
        if bad or (self.weight_B < 0).any():
            raise ContractError(f"a policy log holds values that are not finite in {bad}, or a weight below 0")

    @classmethod
    def without_model(cls, reward_B: FloatArray, weight_B: FloatArray, units: Groups) -> "PolicyLog":
        """Return a log with the reward model 0, under which DR is IPS."""
        zero_B = np.zeros(reward_B.size)
        return cls(reward_B, weight_B, units, zero_B, zero_B)

    @classmethod
    def of(
        cls,
        reward_B: FloatArray,
        action_B: IntArray,
        logging_B: FloatArray,
        target_BA: FloatArray,
        reward_BA: FloatArray,
        units: Groups,
    ) -> "PolicyLog":
        """Build a log from both policies and a cross-fitted reward model.

        Args:
            reward_B: [B] observed rewards.
            action_B: [B] logged actions, 0 .. A-1.
            logging_B: [B] pi_b of the logged action.
            target_BA: [B, A] pi_e.
            reward_BA: [B, A] cross-fitted q (`cross_fitted`).
            units: randomised unit of each row.

        Raises:
            ContractError: if a logged probability is outside (0, 1], or a row of pi_e does not sum to 1.
        """
        if not ((logging_B > 0) & (logging_B <= 1)).all():
            raise ContractError("a logged probability lies outside (0, 1]")
        if (target_BA < 0).any() or not np.allclose(target_BA.sum(axis=1), 1):
            raise ContractError("the evaluated policy's probabilities must be at least 0 and sum to 1 in every row")
        rows = np.arange(reward_B.size)
        weight_B = target_BA[rows, action_B] / logging_B
        expected_B = np.einsum("ba,ba->b", target_BA, reward_BA)
        return cls(reward_B, weight_B, units, reward_BA[rows, action_B], expected_B)


@dataclass(frozen=True)
class Diagnostics:
    """What is always printed beside an estimate.

    Attributes:
        rows: rows of the log.
        mean_weight: near 1 where the logged probabilities are right and nothing was cut.
        max_weight: the largest weight used.
        effective_rows: (sum w)^2 / sum w^2.
        positives: rows with a positive reward and a positive weight.
    """

    rows: int
    mean_weight: float
    max_weight: float
    effective_rows: float
    positives: int

    @classmethod
    def of(cls, reward_B: FloatArray, weight_B: FloatArray) -> "Diagnostics":
        """Describe the weights an estimator uses."""
        effective = effective_sample_size(weight_B)
        positives = int(((reward_B > 0) & (weight_B > 0)).sum())
        return cls(weight_B.size, float(weight_B.mean()), float(weight_B.max()), effective, positives)

    def refusal(self, minimum_effective_rows: float, minimum_positives: int) -> str:
        """Say why no verdict can rest on this; empty where nothing speaks against one."""
        if self.effective_rows < minimum_effective_rows:
            return f"{self.effective_rows:.0f} effective rows are fewer than {minimum_effective_rows:g}"
        if self.positives < minimum_positives:
            return f"{self.positives} rows with a positive reward are fewer than {minimum_positives}"
        return ""
