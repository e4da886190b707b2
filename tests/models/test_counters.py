import torch

from models.counters import Counting


def test_a_counter_stays_on_the_cpu_and_is_part_of_the_state() -> None:
    module = Counting()
    module.register_counter("steps")
    module.register_buffer("mean", torch.zeros(2))
    outer = torch.nn.Sequential(module, torch.nn.Linear(2, 2))
    outer[0].steps += 3
    outer = outer.to("meta").half()
    assert outer[1].weight.device.type == outer[0].mean.device.type == "meta"
    assert (outer[0].mean.dtype, outer[0].steps.dtype) == (torch.float16, torch.int64)
    assert int(outer[0].steps) == 3
    assert list(outer.state_dict())[:2] == ["0.steps", "0.mean"]
    fresh = Counting()
    fresh.register_counter("steps")
    fresh.load_state_dict({"steps": torch.tensor(5)})
    assert int(fresh.steps) == 5
