"""A card without a card: tensors that claim to lie on one, hold no values, and tell where a step waits for the host.

`FakeTensorMode` follows shapes, types and devices. Its CUDA needs a CUDA build of torch; a backend of our own, `card`, stands
in for it, so that the CPU build will do.
"""

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

CARD = "card"
ROOT = Path(__file__).parents[1]
aten = torch.ops.aten
_META = torch.library.Library("aten", "IMPL", "Meta")

WAITS: dict[Any, str] = {
    aten._local_scalar_dense.default: "a value is read",
    aten.equal.default: "a value is read",
    aten.nonzero.default: "values size the result",
    aten.masked_select.default: "values size the result",
    aten._unique2.default: "values size the result",
    aten.unique_consecutive.default: "values size the result",
    aten.unique_dim.default: "values size the result",
    aten.bincount.default: "values size the result",
    aten.repeat_interleave.Tensor: "values size the result",
    aten._linalg_check_errors.default: "a factorisation is checked",
}
"""Operation -> why the host waits for the device in it."""

TO_CARD = "numbers are copied to the card"
"""The one wait after which everything can go on."""


@dataclass(frozen=True)
class Wait:
    """One place where the host waits for the device, or the other way round.

    Attributes:
        why: what it waits for.
        where: file:line of the product.
    """

    why: str
    where: str


class WaitError(Exception):
    """The host waits for a value of the card."""


class Card:
    """Moves modules and batches to the card, and watches what is done there.

    Attributes:
        waits: what was seen so far.
    """

    def __init__(self) -> None:
        # What was not moved is met as it stands, on the CPU: an operation on both devices is then refused.
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        self.waits: list[Wait] = []

    def moved(self, value: Any) -> Any:
        """Return tensors, or a dictionary or dataclass of them, on the card."""
        if isinstance(value, Tensor):
            return self.mode.from_tensor(value.detach().clone()).to(f"{CARD}:0")
        if isinstance(value, Mapping):
            return {key: self.moved(item) for key, item in value.items()}
        if hasattr(value, "__dataclass_fields__"):
            return type(value)(**{name: self.moved(getattr(value, name)) for name in value.__dataclass_fields__})
        return value

    def move(self, module: nn.Module) -> None:
        """Do what `Module.to` does: parameters stay the objects they are, buffers are replaced."""
        swap, known = torch.utils.swap_tensors, self.mode.fake_tensor_converter.meta_converter.tensor_memo

        def swap_unknown(one: Tensor, other: Tensor) -> None:
            known.clear()  # a tensor that is referred to weakly cannot be swapped
            swap(one, other)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(torch.utils, "swap_tensors", swap_unknown)
            patched.setattr(torch.__future__, "_swap_module_params_on_conversion", True)
            module._apply(self.moved)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow what is done, and add the waits.

        Raises:
            WaitError: at a wait for values, which there are none of.
            RuntimeError: at an operation on tensors of two devices.
        """
        before = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)  # lists become tensors on the host, and are then copied: a wait
        try:
            with self.mode, _Watch(self.waits):
                yield
        finally:
            torch._C._set_only_lift_cpu_tensors(before)


class _Watch(TorchDispatchMode):
    def __init__(self, waits: list[Wait]) -> None:
        super().__init__()
        self._waits = waits

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if operation is torch.ops.prim.device.default and isinstance(args[0], FakeTensor):
            return args[0].fake_device  # the larger part of all calls, and known to the host
        kwargs = kwargs or {}
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        if not any(isinstance(value, FakeTensor) for value in tensors) and not _asks_for_card(kwargs):
            with _disable_current_modes():  # what lies on the CPU has values
                return operation(*args, **kwargs)
        why = _why(operation, args, kwargs, any(_lies_on_card(value) for value in tensors))
        if why is not None:
            self._waits.append(Wait(why, _where()))
            if why != TO_CARD:
                raise WaitError(self._waits[-1])
        if operation is aten._to_copy.default and _asks_for_card(kwargs):
            # torch would carry a constant of the host over by its value.
            return torch.empty_like(args[0], device=kwargs["device"], dtype=kwargs.get("dtype"))
        return operation(*args, **kwargs)


def _why(operation: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], on_card: bool) -> str | None:
    """Return why the host waits in an operation, `on_card` if one of its tensors is there; None where it does not."""
    if operation is aten._to_copy.default and kwargs.get("device") is not None and not kwargs.get("non_blocking"):
        there, here = torch.device(kwargs["device"]).type == CARD, _lies_on_card(args[0])
        return None if there == here else TO_CARD if there else "values are copied to the host"
    if operation is aten.copy_.default and _lies_on_card(args[0]) != _lies_on_card(args[1]):
        return TO_CARD if _lies_on_card(args[0]) else "values are copied to the host"
    if not on_card:
        return None
    indices = args[1] if operation in (aten.index.Tensor, aten.index_put.default, aten.index_put_.default) else ()
    if any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices):
        # One value at a mask is a masked fill.
        return None if operation is not aten.index.Tensor and args[2].numel() == 1 else "values size the result"
    if any(index is not None and not _lies_on_card(index) for index in indices):
        return "an index is copied to the card"
    return WAITS.get(operation)


def _asks_for_card(kwargs: Mapping[str, Any]) -> bool:
    return kwargs.get("device") is not None and torch.device(kwargs["device"]).type == CARD


def _lies_on_card(value: Tensor) -> bool:
    return value.device.type == CARD


def _where() -> str:
    """Return the innermost line of the product on the stack."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if path.is_relative_to(ROOT) and "site-packages" not in path.parts and path != Path(__file__):
            return f"{path.relative_to(ROOT)}:{frame.lineno}"
    raise AssertionError("called from nowhere")


def _gru_cell(gates_BG: Tensor, _hidden: Tensor, state_BH: Tensor, *_bias: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(state_BH), state_BH.new_empty(len(state_BH), 5 * state_BH.shape[1])


def _gru_cell_backward(grad_BH: Tensor, workspace: Tensor, has_bias: bool) -> tuple[Tensor | None, ...]:
    rows, width = grad_BH.shape
    gates_BG, bias_G = grad_BH.new_empty(rows, 3 * width), grad_BH.new_empty(3 * width) if has_bias else None
    return gates_BG, torch.empty_like(gates_BG), torch.empty_like(grad_BH), bias_G, bias_G


# On import: the first backward pass of a process counts the devices, and later ones are unknown to it.
if torch._C._get_privateuse1_backend_name() != CARD:
    _setup_privateuseone_for_python_backend(CARD)
    # A card without cuDNN runs a GRU by a kernel whose shapes torch does not know.
    _META.impl("_thnn_fused_gru_cell", _gru_cell)
    _META.impl("_thnn_fused_gru_cell_backward", _gru_cell_backward)
