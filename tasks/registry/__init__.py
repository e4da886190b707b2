"""The registry: promoted models, the evidence of past judge days, and a ledger of every decision ever taken.

It is the only state that crosses nights. A night pins the content hashes it starts from (`champion_for`,
`evidence_for`, `ledger_for`) in its run key; its stages then read nothing else of the registry.
"""

from tasks.registry.checkout import Checkout, PinnedLedger, checkout_champion, read_checkout
from tasks.registry.registry import Registry, force, register

__all__ = ["Checkout", "PinnedLedger", "Registry", "checkout_champion", "force", "read_checkout", "register"]
