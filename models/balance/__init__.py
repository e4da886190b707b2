"""Loss balance rules by `kind`."""

from typing import TYPE_CHECKING

from models.balance.base import Balance
from models.balance.bounded_uncertainty import BoundedUncertainty
from models.balance.fixed import Fixed
from models.component import ComponentConfig, one_of

BALANCES: dict[str, type[Balance]] = {
    "fixed": Fixed,
    "bounded_uncertainty": BoundedUncertainty,
}

if TYPE_CHECKING:
    BalanceConfig = ComponentConfig
else:
    BalanceConfig = one_of(BALANCES)
