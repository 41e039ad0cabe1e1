"""The simple judge learns what is there, from the training faces alone."""

import numpy as np
import pytest

from painlib.baseline import describe_faces, fit_predict_baseline


def draw_faces(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Stripes lying with label 1, standing with label 0, in noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    faces = rng.integers(60, 120, (n, 64, 64, 3), dtype=np.uint8)
    for face, label in zip(faces, labels, strict=True):
        stripes = np.where((np.arange(64) + rng.integers(0, 16)) % 16 < 8, 0, 60).astype(np.uint8)
        face += stripes[:, None, None] if label else stripes[None, :, None]
    return faces, labels


def test_faces_that_differ_are_told_apart_and_a_label_of_chance_is_not():
    faces, labels = draw_faces(60, seed=0)
    new_faces, new_labels = draw_faces(40, seed=1)
    p_pain = fit_predict_baseline(faces, labels, new_faces, seed=0)
    assert p_pain.shape == (40,)
    assert ((p_pain > 0.5) == new_labels).all()
    chance = fit_predict_baseline(faces, (np.arange(60) // 2) % 2, new_faces, seed=0)
    assert ((chance > 0.5) == (np.arange(40) // 2) % 2).mean() == pytest.approx(0.5, abs=0.25)


def test_nothing_is_learned_from_the_faces_judged():
    faces, labels = draw_faces(60, seed=0)
    new_faces, _ = draw_faces(10, seed=1)
    together = fit_predict_baseline(faces, labels, new_faces, seed=0)
    alone = [fit_predict_baseline(faces, labels, new_faces[k : k + 1], seed=0)[0] for k in (0, 7)]
    np.testing.assert_allclose(together[[0, 7]], alone, rtol=1e-4)


def test_features_are_nine_directions_in_overlapping_blocks():
    # 64 px: 8 x 8 cells, 7 x 7 blocks of 2 x 2 cells, 9 directions
    faces, _ = draw_faces(2, seed=0)
    assert describe_faces(faces).shape == (2, 7 * 7 * 2 * 2 * 9)
