"""The chain on real mice: a mouse that neither network has seen is found, cut out and judged."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from shock_faces import hold_out, list_mice

SEEDS = (1, 2, 3, 4, 5)


def test_a_shock_is_read_from_the_face_of_a_mouse_that_was_held_out(real, tmp_path):
    fold = hold_out(real, tmp_path, list_mice(real)[0], seed=1, pose_epochs=250, epochs=2)
    print(fold)
    assert fold.coverage > 0.9
    assert fold.auc > 0.75


@pytest.mark.verify
def test_real_mice_are_read_better_than_by_the_baseline(real, tmp_path_factory):
    kept = os.environ.get("PAINLIB_VERIFY")
    folder = Path(kept) / "shock" if kept else tmp_path_factory.mktemp("shock")
    results = []
    for seed in SEEDS:
        folds = [
            hold_out(real, folder / f"{seed}_{mouse}", mouse, seed, pose_epochs=250, epochs=6)
            for mouse in list_mice(real)
        ]
        for fold in folds:
            print("\n", json.dumps({"seed": seed, **asdict(fold)}))
        results.append([[fold.auc, fold.baseline, fold.before] for fold in folds])
    auc, baseline, before = np.moveaxis(np.array(results), 2, 0)  # (seeds, mice)
    print("\n network: mean", auc.mean(), "worst", auc.min(axis=1).mean(), "before", before.mean())
    print(" baseline: mean", baseline.mean(), "worst", baseline.min(axis=1).mean())
    assert auc.mean() > baseline.mean()
    assert auc.min(axis=1).mean() > baseline.min(axis=1).mean()
