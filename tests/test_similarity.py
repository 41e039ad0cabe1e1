"""Composition, map and pairs: exact against comparing everything with everything, blind to the label."""

from __future__ import annotations

import inspect
import itertools
import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from painlib import similarity
from painlib.faults import PainlibError
from painlib.similarity import (
    LANDMARK_COLUMNS,
    choose_pairs,
    choose_unpaired,
    compare_pairings,
    compute_composition,
    compute_pair_distances,
    describe_choice,
    describe_pairs,
    find_mutual_pairs,
    list_features,
    make_sample,
    measure_overlap,
    measure_stability,
    project,
)

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def make_landmarks(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    at = np.array([0.5, 0.8, 0.35, 0.5, 0.65, 0.5]) + rng.normal(0, 0.03, (n, 6))
    return pd.DataFrame(at, columns=list(LANDMARK_COLUMNS))


def make_images(n: int, px: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, px, px, 3), dtype=np.uint8)


def square_distances(features: np.ndarray) -> np.ndarray:
    return cdist(features.astype(np.float64), features.astype(np.float64), "sqeuclidean")


# --- composition ---


@pytest.mark.parametrize("name", similarity.COMPOSITIONS)
def test_composition_has_a_finite_centred_column_for_each_named_feature(name):
    features = compute_composition(make_images(50), make_landmarks(50), name)
    assert features.dtype == np.float32
    assert features.shape == (50, len(list_features(name)))
    assert len(set(list_features(name))) == features.shape[1]
    assert np.abs(features.mean(axis=0)).max() < 1e-5


def test_composition_cannot_know_the_label_or_the_network():
    assert list(inspect.signature(compute_composition).parameters) == ["images", "landmarks", "name"]
    source = inspect.getsource(inspect.getmodule(compute_composition))
    imports = [line for line in source.splitlines() if line.startswith(("import", "from painlib"))]
    assert [line for line in imports if "painlib" in line] == ["from painlib.faults import PainlibError"]
    landmarks, images = make_landmarks(20), make_images(20)
    told = landmarks.assign(label=[0, 1] * 10, p_pain=0.9)
    np.testing.assert_array_equal(compute_composition(images, landmarks), compute_composition(images, told))


def test_composition_of_a_face_does_not_depend_on_where_it_stands():
    images, landmarks = make_images(30), make_landmarks(30)
    order = np.random.default_rng(1).permutation(30)
    moved = compute_composition(images[order], landmarks.iloc[order])
    np.testing.assert_allclose(moved, compute_composition(images, landmarks)[order], atol=1e-5)


def test_geometry_measures_lengths_directions_and_the_angle_in_face_coordinates():
    # Eyes 0.4 apart and level; the nose 0.3 below their middle, then 0.3 below the right eye.
    rows = [[0.5, 0.8, 0.3, 0.5, 0.7, 0.5], [0.3, 0.8, 0.3, 0.5, 0.7, 0.5]]
    features = compute_composition(None, pd.DataFrame(rows, columns=list(LANDMARK_COLUMNS)), "geometry")
    table = pd.DataFrame(features, columns=list_features("geometry"))
    constant = ["nose_y", "right_eye_x", "right_eye_to_left_eye_length", "right_eye_to_left_eye_cos"]
    assert (table[[*constant, "nose_seen"]] == 0).all(axis=None)
    # Two values standardise to -1 and 1: which of the two faces has the larger is known by hand.
    larger_in_first = ["nose_x", "nose_to_right_eye_length", "angle_at_nose"]  # 67° against 53°
    assert table[larger_in_first].to_numpy() == pytest.approx(np.tile([[1], [-1]], (1, 3)))
    smaller_in_first = ["nose_to_left_eye_length", "nose_to_right_eye_cos"]  # -0.55 against 0
    assert table[smaller_in_first].to_numpy() == pytest.approx(np.tile([[-1], [1]], (1, 2)))


def test_geometry_is_standardised_over_the_faces_that_show_the_point():
    landmarks = make_landmarks(400)
    landmarks.loc[:99, ["left_eye_x", "left_eye_y"]] = np.nan
    table = pd.DataFrame(compute_composition(None, landmarks, "geometry"), columns=list_features("geometry"))
    assert (table.loc[:99, ["left_eye_x", "right_eye_to_left_eye_length", "angle_at_nose"]] == 0).all(
        axis=None
    )
    assert table.loc[100:, "left_eye_x"].std(ddof=0) == pytest.approx(1, abs=1e-4)
    assert table["right_eye_x"].std(ddof=0) == pytest.approx(1, abs=1e-4)


def test_an_eye_that_is_not_seen_sets_faces_apart_as_unrelated_faces_are():
    landmarks = make_landmarks(1000)
    landmarks.loc[:499, ["left_eye_x", "left_eye_y"]] = np.nan
    squared = square_distances(compute_composition(None, landmarks, "geometry"))
    both = squared[500:, 500:][np.triu_indices(500, 1)].mean()
    assert squared[:500, 500:].mean() == pytest.approx(both, rel=0.05)
    # The nearest face of a face is one that shows the same points.
    np.fill_diagonal(squared, np.inf)
    assert (squared.argmin(axis=1) < 500)[:500].mean() > 0.99
    assert (squared.argmin(axis=1) >= 500)[500:].mean() > 0.99


def test_half_a_landmark_is_no_landmark():
    landmarks = make_landmarks(6)
    half, none = landmarks.copy(), landmarks.copy()
    half.loc[2, "left_eye_y"] = np.nan
    none.loc[2, ["left_eye_x", "left_eye_y"]] = np.nan
    np.testing.assert_array_equal(
        compute_composition(None, half, "geometry"), compute_composition(None, none, "geometry")
    )


def test_appearance_is_the_shrunken_grey_image_in_one_unit():
    # Four kinds of faces: black, white, left half white, and a red one; ITU-R BT.601 says red is 0.299.
    images = np.zeros((4, 64, 64, 3), np.uint8)
    images[1], images[2, :, :32], images[3, :, :, 0] = 255, 255, 255
    features = compute_composition(images, None, "appearance").reshape(4, 16, 16)
    white = features[1, 0, 0] - features[0, 0, 0]
    assert (features[2] - features[0])[:, :8] == pytest.approx(white, rel=1e-5)
    assert (features[2] - features[0])[:, 8:] == pytest.approx(0, abs=1e-5)
    assert (features[3] - features[0]) / white == pytest.approx(0.299, abs=0.002)
    assert features.reshape(4, -1).var(axis=0).mean() == pytest.approx(1, rel=1e-4)


def test_appearance_does_not_blow_up_a_corner_in_which_nothing_happens():
    images = make_images(60, px=16)
    images[:, :8] = 10
    images[0, 0, 0] = 11  # one grey level, once
    variance = compute_composition(images, None, "appearance").var(axis=0).reshape(16, 16)
    assert variance[:8].max() < 1e-4 < variance[8:].min()


def test_both_blocks_weigh_the_same():
    features = compute_composition(make_images(80), make_landmarks(80), "both")
    n = len(list_features("geometry"))
    assert features[:, :n].var(axis=0).sum() == pytest.approx(1, rel=1e-4)
    assert features[:, n:].var(axis=0).sum() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("name", similarity.COMPOSITIONS)
def test_composition_of_no_face_one_and_equal_faces_is_zero(n, name):
    images, landmarks = make_images(1)[[0] * n], make_landmarks(1).iloc[[0] * n]
    features = compute_composition(images, landmarks, name)
    assert features.shape == (n, len(list_features(name)))
    assert not features.any()


def test_a_cohort_without_any_landmark_or_with_points_in_one_place_has_composition():
    landmarks = make_landmarks(5)
    assert not compute_composition(None, landmarks * np.nan, "geometry").any()
    landmarks[["nose_x", "nose_y"]] = landmarks[["right_eye_x", "right_eye_y"]].to_numpy()
    assert np.isfinite(compute_composition(None, landmarks, "geometry")).all()


@pytest.mark.parametrize(
    ("images", "landmarks", "name", "message"),
    [
        (make_images(3), make_landmarks(3), "network", "expected one of geometry, appearance, both"),
        (make_images(3), None, "both", "expected landmarks"),
        (None, make_landmarks(3).drop(columns="nose_x"), "geometry", "got no nose_x"),
        (None, make_landmarks(3), "both", "got none"),
        (make_images(3).astype(float), None, "appearance", "got .* float64"),
        (make_images(3), make_landmarks(4), "both", "4 rows and 3 images"),
    ],
)
def test_wrong_composition_input_is_named(images, landmarks, name, message):
    with pytest.raises(PainlibError, match=message):
        compute_composition(images, landmarks, name)


# --- mutual pairs ---


def find_by_brute_force(features, label, subjects, recordings, time_s, same_animal, min_gap_s):
    """Every no-pain face against every pain face in float64; of equal distances the lowest row."""
    no_pain, pain = np.flatnonzero(label == 0), np.flatnonzero(label == 1)
    distance = cdist(features[no_pain].astype(np.float64), features[pain].astype(np.float64))
    same = subjects[no_pain][:, None] == subjects[pain]
    near = np.abs(time_s[no_pain][:, None] - time_s[pain]) < min_gap_s
    forbidden = near & (recordings[no_pain][:, None] == recordings[pain])
    forbidden |= {"any": np.zeros_like(same), "same": ~same, "different": same}[same_animal]
    distance[forbidden] = np.inf
    pairs = []
    for i in range(len(no_pain)):
        j = int(distance[i].argmin())
        if np.isfinite(distance[i, j]) and distance[:, j].argmin() == i:
            pairs.append((no_pain[i], pain[j], distance[i, j], bool(same[i, j])))
    return pairs


FEATURES = {
    "continuous": lambda rng, n: rng.normal(size=(n, 6)).astype(np.float32),
    "far from zero": lambda rng, n: rng.normal(1e4, 1, size=(n, 4)),  # float32 alone would be lost here
    "ties": lambda rng, n: rng.integers(0, 3, size=(n, 2)).astype(np.float32),  # nine places in all
    "all equal": lambda rng, n: np.ones((n, 3)),
    "two groups and an outlier": lambda rng, n: np.vstack(
        [rng.normal(size=(n - 1, 2)) * 1e-3 + rng.integers(0, 2, (n - 1, 1)), [[1e6, 0]]]
    ),
}
LIMITS = list(itertools.product(["any", "same", "different"], [0.0, 20.0]))


@pytest.mark.parametrize(("same_animal", "min_gap_s"), LIMITS)
@pytest.mark.parametrize("kind", FEATURES)
def test_pairs_are_those_of_comparing_everything(kind, same_animal, min_gap_s):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(40, 250))
        features, label = FEATURES[kind](rng, n), rng.integers(-1, 2, n)
        recordings = rng.integers(0, 6, n)
        limits = {
            "subjects": recordings // 2,
            "recordings": recordings,
            "time_s": rng.integers(0, 90, n) * 1.0,
        }
        expected = find_by_brute_force(
            features, label, **limits, same_animal=same_animal, min_gap_s=min_gap_s
        )
        named = {**limits, "subjects": np.array([f"m{s}" for s in limits["subjects"]])}
        found = find_mutual_pairs(features, label, **named, same_animal=same_animal, min_gap_s=min_gap_s)
        assert len(expected)
        assert found["pair"].tolist() == list(range(len(expected)))
        rows = found[["row_no_pain", "row_pain", "same_subject"]].itertuples(index=False, name=None)
        assert list(rows) == [(i, j, same) for i, j, _, same in expected]
        assert found["distance"].to_numpy() == pytest.approx([d for *_, d, _ in expected], rel=1e-12, abs=0)


def test_differences_below_what_float32_sees_decide():
    # 1,000 pain faces whose distances to the no-pain face differ in the ninth digit.
    step = np.random.default_rng(0).permutation(1000)
    features = np.column_stack([np.r_[0.0, 1 + 1e-9 * step], np.r_[0.0, np.zeros(1000)]])
    found = find_mutual_pairs(features, np.r_[0, np.ones(1000, int)])
    assert found[["row_no_pain", "row_pain"]].to_numpy().tolist() == [[0, 1 + int(step.argmin())]]


def test_many_neighbours_in_time_do_not_hide_the_face_behind_them():
    # 700 pain faces of the same seconds are nearer than the one that may pair.
    features = np.r_[0.0, np.linspace(0.1, 0.2, 700), 5.0][:, None]
    times = np.r_[0.0, np.full(700, 3.0), 100.0]
    label = np.r_[0, np.ones(701, int)]
    found = find_mutual_pairs(features, label, recordings=["r"] * 702, time_s=times, min_gap_s=10)
    assert found[["row_no_pain", "row_pain", "distance"]].to_numpy().tolist() == [[0, 701, 5.0]]
    other = find_mutual_pairs(features, label, recordings=["r", *["s"] * 701], time_s=times, min_gap_s=10)
    assert other["row_pain"].tolist() == [1]


def test_a_gap_of_exactly_the_limit_is_enough():
    options = {"recordings": ["r", "r"], "time_s": [0.0, 5.0]}
    assert len(find_mutual_pairs(np.zeros((2, 1)), [0, 1], **options, min_gap_s=5)) == 1
    assert len(find_mutual_pairs(np.zeros((2, 1)), [0, 1], **options, min_gap_s=5.1)) == 0


def test_pairs_of_thousands_of_faces_are_those_of_faiss_alone():
    import faiss

    rng = np.random.default_rng(3)
    features, label = rng.standard_normal((6000, 64), dtype=np.float32), rng.integers(0, 2, 6000)
    no_pain, pain = np.flatnonzero(label == 0), np.flatnonzero(label == 1)
    forward = faiss.knn(features[no_pain], features[pain], 1)[1][:, 0]
    backward = faiss.knn(features[pain], features[no_pain], 1)[1][:, 0]
    mutual = backward[forward] == np.arange(len(no_pain))
    found = find_mutual_pairs(features, label)
    assert found["row_no_pain"].tolist() == no_pain[mutual].tolist()
    assert found["row_pain"].tolist() == pain[forward[mutual]].tolist()


@pytest.mark.parametrize("label", [[], [0, 0, 0], [1, 1], [-1, -1]])
def test_an_empty_class_gives_an_empty_table_and_words(label):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = find_mutual_pairs(
            np.zeros((len(label), 3)), np.array(label, int), subjects=["m"] * len(label)
        )
    assert list(found.columns) == list(similarity.PAIR_COLUMNS)
    assert len(found) == 0
    assert found["distance"].dtype == np.float64
    assert found["same_subject"].dtype == bool
    assert "one class is empty" in describe_pairs(found, label)


def test_one_face_of_each_class_is_a_pair_unless_it_may_not_be():
    one = find_mutual_pairs([[0.0, 0.0], [3.0, 4.0]], [1, 0], subjects=["m", "m"])
    assert one.iloc[0].tolist() == [0, 1, 0, 5.0, True]
    assert describe_pairs(one, [1, 0]) == (
        "1 mutual pairs among 1 no-pain and 1 pain faces, 100 % of them within one animal."
    )
    none = find_mutual_pairs([[0.0], [1.0]], [1, 0], subjects=["m", "m"], same_animal="different")
    assert len(none) == 0
    assert "no two may pair" in describe_pairs(none, [1, 0])


def test_without_animals_it_is_not_said_whether_they_are_the_same():
    found = find_mutual_pairs([[0.0], [1.0]], [0, 1])
    assert found["same_subject"].isna().all()
    assert "within one animal" not in describe_pairs(found, [0, 1])


def test_all_faults_of_the_input_are_told_at_once():
    with pytest.raises(PainlibError) as raised:
        find_mutual_pairs(
            np.array([[np.nan], [1.0]]), [0, 2], subjects=["m"], same_animal="neither", min_gap_s=-1
        )
    for part in ("finite", "0 (no pain), 1 (pain)", "subjects", "neither", "min_gap_s", "(5 faults)"):
        assert part in str(raised.value)
    with pytest.raises(PainlibError, match="needs `subjects`"):
        find_mutual_pairs(np.zeros((2, 1)), [0, 1], same_animal="same")
    with pytest.raises(PainlibError, match="needs `recordings` and `time_s`"):
        find_mutual_pairs(np.zeros((2, 1)), [0, 1], recordings=["r", "r"], min_gap_s=1)
    with pytest.raises(PainlibError, match="time in every row"):
        find_mutual_pairs(np.zeros((2, 1)), [0, 1], recordings=["r"] * 2, time_s=[0, np.nan], min_gap_s=1)
    with pytest.raises(PainlibError, match="one a row of features"):
        find_mutual_pairs(np.zeros((2, 1)), [0, 1, 1])


# --- two pairings beside each other ---


def make_pairs(rows: list[tuple[int, int]], same: list[bool] | None = None) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["row_no_pain", "row_pain"])
    return table.assign(pair=range(len(rows)), distance=-1.0, same_subject=same or [False] * len(rows))


def test_pairings_are_compared_in_the_space_of_features():
    features = np.array([[0.0], [10.0], [20.0], [1.0], [12.0], [26.0]])
    exact = make_pairs([(0, 3), (1, 4)], [True, True])
    in_map = make_pairs([(0, 3), (1, 5), (2, 4)], [True, False, False])
    assert compute_pair_distances(features, in_map).tolist() == [1, 16, 8]
    table = compare_pairings(exact, in_map, features).set_index("way")
    assert table.index.tolist() == ["in feature space", "in the map"]
    assert table["n_pairs"].tolist() == [2, 3]
    assert table["n_shared"].tolist() == [1, 1]
    assert table["share_shared"].tolist() == pytest.approx([1 / 2, 1 / 3])
    assert table["median_distance"].tolist() == [1.5, 8]
    assert table["upper_quartile"].tolist() == [1.75, 12]
    assert table["share_same_animal"].tolist() == pytest.approx([1, 1 / 3])
    assert measure_overlap(exact, in_map) == 1 / 4


def test_pairings_without_pairs_compare_to_nan():
    empty = find_mutual_pairs(np.zeros((1, 1)), [0])
    table = compare_pairings(empty, empty, np.zeros((1, 1)))
    assert table["n_pairs"].tolist() == [0, 0]
    assert table.drop(columns=["way", "n_pairs", "n_shared"]).isna().all(axis=None)
    assert np.isnan(measure_overlap(empty, empty))


# --- samples ---


def test_pairs_are_chosen_at_random_by_seed_and_numbered_anew():
    pairs = make_pairs([(i, 1000 + i) for i in range(1000)])
    chosen = choose_pairs(pairs, 500, seed=1)
    assert chosen["pair"].tolist() == list(range(500))
    assert chosen["row_no_pain"].is_monotonic_increasing
    assert chosen["row_no_pain"].is_unique
    pd.testing.assert_frame_equal(chosen, choose_pairs(pairs, 500, seed=1))
    assert not chosen["row_no_pain"].equals(choose_pairs(pairs, 500, seed=2)["row_no_pain"])
    # Drawn from everywhere: the mean of 500 of 0 … 999 is 499.5 with a standard error of 9.1.
    assert abs(chosen["row_no_pain"].mean() - 499.5) < 4 * 9.1
    assert describe_choice(1000, 500, 1) == "500 of 1,000 pairs, chosen at random (seed 1)."


def test_all_pairs_are_taken_where_there_are_fewer_and_it_is_said():
    pairs = make_pairs([(0, 3), (1, 4)])
    pd.testing.assert_frame_equal(choose_pairs(pairs, 500), pairs)
    assert describe_choice(2, 500, 0) == "All 2 pairs: fewer than the 500 that were asked for."
    assert describe_choice(2, 2, 0, "faces") == "All 2 faces."
    assert len(choose_pairs(pairs.iloc[:0])) == 0


def test_unpaired_faces_are_as_many_of_each_class_or_all():
    label = np.r_[np.zeros(3000, int), np.ones(20, int), -np.ones(5, int)]
    subjects = np.array([f"m{i % 7}" for i in range(3025)])
    drawn = choose_unpaired(label, subjects, n_each=100, seed=4)
    assert drawn["label"].value_counts().to_dict() == {"no pain": 100, "pain": 20}
    assert drawn["row"].is_unique
    rows = drawn["row"].to_numpy()
    np.testing.assert_array_equal(label[rows], (drawn["label"] == "pain").astype(int))
    np.testing.assert_array_equal(subjects[rows], drawn["subject"])
    assert len(choose_unpaired([], [])) == 0
    with pytest.raises(PainlibError, match="one subject a label"):
        choose_unpaired([0, 1], ["m"])


def make_index(n: int) -> pd.DataFrame:
    names = {"recording": [f"r{i}" for i in range(n)], "subject": [f"m{i}" for i in range(n)]}
    return pd.DataFrame({**names, "camera": "A", "frame": np.arange(n) * 10})


def test_sample_lists_both_faces_of_each_pair_then_the_unpaired():
    unpaired = pd.DataFrame({"row": [4, 0], "subject": ["m4", "m0"], "label": ["no pain", "pain"]})
    sample = make_sample(make_index(6), make_pairs([(3, 1), (2, 5)]), unpaired)
    assert list(sample.columns) == ["row", "recording", "camera", "frame", "subject", "label", "pair"]
    assert sample["row"].tolist() == [3, 1, 2, 5, 4, 0]
    assert sample["pair"].tolist() == [0, 0, 1, 1, -1, -1]
    assert sample["label"].tolist() == ["no pain", "pain"] * 3
    assert sample["recording"].tolist() == ["r3", "r1", "r2", "r5", "r4", "r0"]
    assert sample["frame"].tolist() == [30, 10, 20, 50, 40, 0]
    with pytest.raises(PainlibError, match="got row 5"):
        make_sample(make_index(5), make_pairs([(2, 5)]))


def test_sample_of_nothing_is_empty_and_typed():
    sample = make_sample(make_index(2), make_pairs([]), None)
    assert len(sample) == 0
    assert sample["row"].dtype == sample["pair"].dtype == sample["frame"].dtype == np.int64


# --- map ---


@pytest.fixture(scope="module")
def clusters() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(90, 8)) + 12 * np.repeat(np.eye(3, 8), 30, axis=0)).astype(np.float32)


def test_pca_is_the_best_plane_with_fixed_signs(clusters):
    found = project(clusters, "pca")
    singular = np.linalg.svd(clusters - clusters.mean(axis=0, dtype=float), compute_uv=False)
    assert np.linalg.norm(found, axis=0) == pytest.approx(singular[:2], rel=1e-4)
    np.testing.assert_allclose(project(clusters[::-1], "pca")[::-1], found, atol=1e-4)


@pytest.mark.parametrize("method", ["umap", "tsne"])
def test_maps_keep_groups_together_and_repeat_by_seed(clusters, method):
    options = {"n_neighbors": 10, "perplexity": 10.0}
    found = project(clusters, method, 5, **options)
    assert found.shape == (90, 2)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    distance = cdist(found, found)
    np.fill_diagonal(distance, np.inf)
    assert (distance.argmin(axis=1) // 30 == np.arange(90) // 30).all()
    np.testing.assert_array_equal(project(clusters, method, 5, **options), found)


def test_maps_obey_their_options_and_seed(clusters):
    usual = project(clusters, "umap", 0)
    for other in ({"min_dist": 0.9}, {"n_neighbors": 5}, {"seed": 1}):
        assert not np.array_equal(project(clusters, "umap", **other), usual)
    assert not np.array_equal(project(clusters, "tsne", perplexity=5), project(clusters, "tsne"))


@pytest.mark.parametrize("method", ["umap", "tsne", "pca"])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 7])
def test_maps_of_few_faces_are_defined(method, n):
    found = project(np.random.default_rng(n).normal(size=(n, 4)), method)
    assert found.shape == (n, 2)
    assert np.isfinite(found).all()
    assert n != 1 or not found.any()


@pytest.mark.parametrize("method", ["umap", "tsne", "pca"])
def test_maps_of_equal_faces_lie_in_one_place_and_one_feature_is_enough(method):
    assert not project(np.full((40, 3), 0.1), method).any()
    assert np.isfinite(project(np.arange(12.0)[:, None], method)).all()
    twice = project(np.repeat(np.random.default_rng(0).normal(size=(6, 3)), 2, axis=0), method)
    assert np.isfinite(twice).all()


def test_stability_compares_the_pairs_of_each_two_seeds(clusters):
    label = np.arange(90) % 2
    subjects = np.arange(90) // 10
    same = measure_stability(clusters, label, [0, 1], "pca")
    n = len(find_mutual_pairs(project(clusters, "pca"), label))
    assert same.to_dict("records") == [
        {"seed_1": 0, "seed_2": 1, "n_1": n, "n_2": n, "n_shared": n, "overlap": 1.0}
    ]
    table = measure_stability(
        clusters, label, [0, 1, 2], "tsne", perplexity=5, subjects=subjects, same_animal="same"
    )
    assert table[["seed_1", "seed_2"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 2]]
    one, other = (
        find_mutual_pairs(
            project(clusters, "tsne", s, perplexity=5), label, subjects=subjects, same_animal="same"
        )
        for s in (0, 1)
    )
    assert table.loc[0, "overlap"] == measure_overlap(one, other)
    assert measure_stability(clusters, np.zeros(90, int), [0, 1], "pca")["overlap"].isna().all()


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        (np.zeros((4, 2)), {"method": "isomap"}, "umap, tsne, pca"),
        (np.full((4, 2), np.nan), {}, "finite"),
        (np.zeros(4), {}, "n, d"),
        (np.zeros((4, 2)), {"n_neighbors": 1}, "n_neighbors >= 2"),
        (np.zeros((4, 2)), {"min_dist": 2}, "min_dist"),
        (np.zeros((4, 2)), {"perplexity": 0}, "perplexity"),
    ],
)
def test_wrong_map_input_is_named(features, options, message):
    with pytest.raises(PainlibError, match=message):
        project(features, **options)


# --- speed ---

_MEASURE = """
import json, sys, time
import numpy as np
from painlib.similarity import find_mutual_pairs
n = int(sys.argv[1])
rng = np.random.default_rng(0)
features, label = rng.standard_normal((n, 512), dtype=np.float32), rng.integers(0, 2, n)
wall, cpu = time.perf_counter(), time.process_time()
found = find_mutual_pairs(features, label)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
# Not getrusage: its peak begins with that of the process that started this one.
peak_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([len(found), wall, cpu, int(peak_kb) * 1024 / 1e9]))
"""


@pytest.mark.verify
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.parametrize(("n", "most_s"), [(10_000, 3.0), (100_000, 120.0)])
def test_exact_pairs_are_quick_and_small(n, most_s):
    """10,000 × 512 in under 3 s, 100,000 in under 2 min, below 2 GB at the peak: on one core.

    The seconds are those of one thread's processor time, which is what the clock shows on a free machine and
    does not depend on what else runs.
    """
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    told = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(n)], capture_output=True, text=True, check=True, env=env
    )
    n_pairs, wall_s, cpu_s, peak_gb = json.loads(told.stdout)
    print(
        f"\n{n:,} × 512: {n_pairs:,} pairs, {cpu_s:.1f} s (clock {wall_s:.1f}), {peak_gb:.2f} GB at the peak"
    )
    assert n_pairs > 0
    assert cpu_s < most_s
    assert peak_gb < 2
