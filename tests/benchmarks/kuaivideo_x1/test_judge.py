"""AUC, gAUC and log loss against twins written from what public code computes."""

import math

import numpy as np
import pytest

from benchmarks.fields.rows import FieldRows
from benchmarks.kuaivideo_x1.judge import METRICS, VideoJudge, criterion
from benchmarks.kuaivideo_x1.rows import VideoRows
from tasks.evaluate.metrics.groups import encode_groups
from tasks.evaluate.metrics.inputs import FloatArray


def area(label_B: FloatArray, logit_B: FloatArray) -> float:
    positive, negative = logit_B[label_B == 1], logit_B[label_B == 0]
    apart = positive[:, None] - negative[None, :]
    return float(((apart > 0) + 0.5 * (apart == 0)).mean())


def test_they_equal_their_twins_with_ties_and_users_of_one_class() -> None:
    rng = np.random.default_rng(0)
    for split in range(60):
        size = int(rng.integers(5, 60))
        user_B, label_B = rng.integers(0, 1 + size // 6, size), rng.integers(0, 2, size).astype(float)
        label_B[user_B == 0], label_B[:2], user_B[:2] = split % 2, (0, 1), 7
        logit_B = rng.integers(-3, 3, size).astype(float)
        weighted, weights = 0.0, 0
        for user in set(user_B.tolist()):
            mine = user_B == user
            if 0 < label_B[mine].sum() < mine.sum():
                weighted += int(mine.sum()) * area(label_B[mine], logit_B[mine])
                weights += int(mine.sum())
        loss = np.mean([math.log1p(math.exp(-z if y else z)) for y, z in zip(label_B, logit_B, strict=True)])
        empty = FieldRows(np.zeros((size, 1), dtype=np.int64))
        rows = VideoRows(empty, np.zeros(size, dtype=np.int64), label_B, encode_groups(user_B))
        scores = VideoJudge(rows, replicates=2).scores(logit_B)
        expected = (area(label_B, logit_B), weighted / weights, loss)
        assert [scores[metric].value for metric in METRICS] == pytest.approx(expected, abs=1e-12)
        assert criterion(rows, logit_B) == pytest.approx(expected[0] + expected[1], abs=1e-12)
