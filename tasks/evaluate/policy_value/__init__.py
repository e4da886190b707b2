"""The value of a policy, estimated from the log of another one (docs/methods/debias.md#off-policy-evaluation)."""

from tasks.evaluate.policy_value.config import PolicyValueConfig
from tasks.evaluate.policy_value.log import PolicyLog
from tasks.evaluate.policy_value.value import PolicyValue, estimate_value

__all__ = ["PolicyLog", "PolicyValue", "PolicyValueConfig", "estimate_value"]
