"""Animals apart: who is held out, that nothing of a held-out animal is learned, and that folds resume."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from painlib import validation
from painlib.faults import PainlibError
from painlib.prediction import predict_faces
from painlib.validation import cross_validate, encode_labels, split_animals


@dataclass(frozen=True)
class Settings:
    input_px: int = 64
    channels: tuple[int, ...] = (4, 4, 4, 4, 4, 4)
    head_widths: tuple[int, ...] = (4, 4)
    epochs: int = 2
    faces_per_epoch: int = 16
    batch: int = 8
    learning_rate: float = 1e-3
    rotation_deg: float = 20.0
    flip: bool = True
    precision: str = "float32"
    device: str = "cpu"


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def list_animals(n_each: dict[tuple[str, tuple[int, ...]], int]) -> pd.DataFrame:
    """Rows subject, label, sex for so many animals of each sex and set of labels."""
    rows = []
    for (sex, labels), n in n_each.items():
        for k in range(n):
            rows += [
                (f"{sex[0]}{''.join(map(str, labels))}_{k}", label, sex) for label in labels for _ in range(3)
            ]
    return pd.DataFrame(rows, columns=["subject", "label", "sex"])


PAPER = {("male", (0, 1)): 9, ("female", (0, 1)): 3}


def test_every_animal_is_held_out_alone_once():
    folds = split_animals(list_animals(PAPER), None, seed=0)
    assert len(folds) == 12
    assert all(len(fold.held_out) == 1 for fold in folds)
    assert len({fold.held_out for fold in folds}) == 12
    assert len({fold.name for fold in folds}) == 12


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("folds", [2, 3, 4, 5, 12])
def test_groups_hold_every_animal_once_and_sexes_evenly(folds, seed):
    groups = [fold.held_out for fold in split_animals(list_animals(PAPER), folds, seed)]
    assert Counter(name for group in groups for name in group) == Counter(set(list_animals(PAPER)["subject"]))
    sizes = [len(group) for group in groups]
    females = [sum(name.startswith("f") for name in group) for group in groups]
    assert max(sizes) - min(sizes) <= 1
    assert max(females) - min(females) <= 1


def test_animals_with_one_label_each_are_spread_over_groups():
    table = list_animals({("male", (0,)): 2, ("female", (0,)): 2, ("male", (1,)): 2, ("female", (1,)): 2})
    for seed in range(10):
        for fold in split_animals(table, 4, seed):
            assert sorted(name[1] for name in fold.held_out) == ["0", "1"]


def test_groups_follow_from_the_seed():
    def split(seed):
        return [fold.held_out for fold in split_animals(list_animals(PAPER), 3, seed)]

    assert split(1) == split(1)
    assert len({str(split(seed)) for seed in range(6)}) > 1


def test_a_single_animal_with_a_label_cannot_be_held_out():
    table = list_animals({("male", (0,)): 3, ("female", (1,)): 1})
    with pytest.raises(PainlibError, match=r"'pain': expected at least two animals.*got 1 \(f1_0\)"):
        split_animals(table, None, seed=0)
    with pytest.raises(PainlibError, match="Without m01_0 no training face is labelled 'no pain'"):
        split_animals(list_animals({("male", (0, 1)): 1}), None, seed=0)
    with pytest.raises(PainlibError, match=r"'pain'.*got 0 \(none\)"):
        split_animals(list_animals({("male", (0,)): 3}), None, seed=0)


@pytest.mark.parametrize("folds", [1, 13])
def test_impossible_numbers_of_groups_are_refused(folds):
    with pytest.raises(PainlibError, match=f"2 to 12 .*got {folds}"):
        split_animals(list_animals(PAPER), folds, seed=0)


def draw_cohort() -> tuple[np.ndarray, pd.DataFrame]:
    """Four animals, ten faces each; rows of the animals interleaved."""
    subject = np.tile(["m1", "m2", "m3", "m4"], 10)
    faces = pd.DataFrame(
        {
            "recording": subject + np.where(np.arange(40) < 20, "_pre", "_AC"),
            "subject": subject,
            "camera": "left",
            "frame": np.arange(40),
            "label": (np.arange(40) >= 20).astype(int),
            "sex": np.where(subject == "m4", "female", "male"),
        },
        index=np.arange(40)[::-1],
    )
    return np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8), faces


def test_every_face_is_judged_by_the_network_that_never_saw_its_animal():
    inputs, faces = draw_cohort()
    nets = {}

    def keep_nets(*arguments, **options):
        trained = keep_nets.train(*arguments, **options)
        nets[options["description"].split()[1]] = trained.net
        return trained

    keep_nets.train = validation.train_classifier
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "train_classifier", keep_nets)
        result = cross_validate(inputs, faces, Settings(), None, seed=0)

    table = result.out_of_fold
    assert table.columns.tolist() == [
        "recording", "subject", "camera", "frame", "label", "sex", "fold", "p_no_pain", "p_pain"
    ]  # fmt: skip
    assert table["frame"].tolist() == list(range(40))
    held_out = {fold.name: fold.held_out for fold in result.folds}
    for name, rows in table.groupby("fold"):
        assert tuple(set(rows["subject"])) == held_out[name]
        expected = predict_faces(nets[name], inputs[rows["frame"]], 8, "cpu")
        np.testing.assert_allclose(rows[["p_no_pain", "p_pain"]], expected, atol=1e-6)
    assert table["fold"].nunique() == 4
    assert result.history.groupby("fold")["epoch"].apply(list).tolist() == [[1, 2]] * 4


@pytest.mark.parametrize("folds", [None, 2])
def test_no_pixel_of_a_held_out_animal_reaches_training(folds, monkeypatch):
    inputs, faces = draw_cohort()
    subject, training, read = faces["subject"].to_numpy(), [False], []

    class Spied:
        shape, dtype = inputs.shape, inputs.dtype

        def __len__(self):
            return len(inputs)

        def __getitem__(self, rows):
            if training[0]:
                read[-1].update(subject[rows])
            return inputs[rows]

    train = validation.train_classifier

    def watched(*arguments, **options):
        training[0] = True
        read.append(set())
        trained = train(*arguments, **options)
        training[0] = False
        return trained

    monkeypatch.setattr(validation, "train_classifier", watched)
    rounds = cross_validate(Spied(), faces, Settings(), folds, seed=0).folds
    assert len(read) == len(rounds)
    for animals, fold in zip(read, rounds, strict=True):
        assert animals == set(subject) - set(fold.held_out)


def test_a_held_out_animals_faces_and_labels_change_nothing_that_is_learned(tmp_path: Path):
    inputs, faces = draw_cohort()
    cross_validate(inputs, faces, Settings(), None, 0, folder=tmp_path / "before")
    mine = (faces["subject"] == "m1").to_numpy()
    inputs[mine] = 255 - inputs[mine]
    faces.loc[mine, "label"] = 1 - faces.loc[mine, "label"]
    folds = cross_validate(inputs, faces, Settings(), None, 0, folder=tmp_path / "after").folds
    for fold in folds:
        before, after = (
            torch.load(tmp_path / when / fold.name / "checkpoint.pt", weights_only=True)["net"]
            for when in ("before", "after")
        )
        same = all(torch.equal(before[name], after[name]) for name in before)
        assert same == (fold.held_out == ("m1",))


def test_finished_folds_are_kept_and_a_cut_short_one_goes_on(tmp_path: Path):
    inputs, faces = draw_cohort()
    whole = cross_validate(inputs, faces, Settings(), None, seed=0)

    rows = []

    def stop_in_third_fold(row):
        rows.append((row["fold"], row["epoch"]))
        if len(rows) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cross_validate(inputs, faces, Settings(), None, 0, folder=tmp_path, log=stop_in_third_fold)
    assert rows == [("fold_1", 1), ("fold_1", 2), ("fold_2", 1), ("fold_2", 2), ("fold_3", 1)]
    rows.clear()
    resumed = cross_validate(
        inputs,
        faces,
        Settings(),
        None,
        0,
        folder=tmp_path,
        log=lambda row: rows.append((row["fold"], row["epoch"])),
    )
    assert rows == [("fold_3", 2), ("fold_4", 1), ("fold_4", 2)]
    pd.testing.assert_frame_equal(resumed.out_of_fold, whole.out_of_fold)

    rows.clear()
    cross_validate(inputs, faces, Settings(epochs=1), None, 0, folder=tmp_path, log=rows.append)
    assert len(rows) == 4


def test_faces_and_rows_must_belong_together():
    inputs, faces = draw_cohort()
    with pytest.raises(PainlibError, match="without camera"):
        cross_validate(inputs, faces.drop(columns="camera"), Settings(), None, seed=0)
    with pytest.raises(PainlibError, match=r"expects 40 rows.*got 39"):
        cross_validate(inputs, faces.iloc[:39], Settings(), None, seed=0)


def test_labels_become_numbers_and_an_empty_one_none():
    assert encode_labels(pd.Series(["no pain", "pain", "", np.nan])).tolist() == [0, 1, -1, -1]
    with pytest.raises(PainlibError, match="'painful'"):
        encode_labels(pd.Series(["pain", "painful"]))
