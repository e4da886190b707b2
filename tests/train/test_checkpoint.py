from pathlib import Path

import torch

from tasks.train.checkpoint import Progress, load_checkpoint, save_checkpoint


def test_a_checkpoint_of_a_card_goes_on_without_one(tmp_path: Path) -> None:
    progress, weight = Progress(1, 7, 0.5, 1, 3, [{"epoch": 1}]), torch.arange(3.0)
    torch.manual_seed(3)
    save_checkpoint(tmp_path / "c", progress, {"weight": weight, "rng.cuda": torch.zeros(16, dtype=torch.uint8)})
    drawn = torch.rand(4)
    found = load_checkpoint(tmp_path / "c")
    assert found is not None
    assert found[0] == progress
    assert found[1].keys() == {"weight"}
    assert torch.equal(found[1]["weight"], weight)
    assert torch.equal(torch.rand(4), drawn), "the generator of the CPU stands where it stood"
