"""Animals apart: who is held out, that nothing of a held-out animal is learned, and that folds resume."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from painlib import fold_training
from painlib.faults import PainlibError
from painlib.prediction import predict_faces
from painlib.validation import (
    add_cohort_column,
    cross_validate,
    encode_labels,
    score_groups,
    split_animals,
)


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
    processes: int = 1
    launch: str = ""


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


def list_strains(**strains: str) -> pd.DataFrame:
    """Rows subject, label and strain of animals with both labels."""
    rows = [(name, label, strain) for name, strain in strains.items() for label in (0, 1)]
    return pd.DataFrame(rows, columns=["subject", "label", "strain"])


def test_all_animals_of_a_strain_are_held_out_together():
    table = list_strains(a="BALB/c", b="C57BL/6", c="BALB/c", d="129")
    folds = split_animals(table, None, seed=0, hold_out="strain")
    assert [(fold.group, fold.held_out) for fold in folds] == [
        ("129", ("d",)),
        ("BALB/c", ("a", "c")),
        ("C57BL/6", ("b",)),
    ]
    assert [fold.name for fold in folds] == ["fold_1", "fold_2", "fold_3"]
    by_lab = split_animals(table.rename(columns={"strain": "lab"}), None, seed=0, hold_out="lab")
    assert by_lab == folds


@pytest.mark.parametrize(
    ("table", "folds", "told"),
    [
        (list_strains(a="BALB/c", b="", c="129", d=" "), None, "got none for b, d. Fill it in"),
        (list_strains(a="BALB/c", b="BALB/c"), None, r"at least two different values .* got BALB/c"),
        (list_strains(a="", b=""), None, r"at least two different values .* got none"),
        (list_strains(a="BALB/c", b="129").drop(columns="strain"), None, "expected the column `strain`"),
        (list_strains(a="BALB/c", b="129"), 2, "`folds`: expected none while a whole strain"),
        (
            pd.concat([list_strains(a="BALB/c", b="129"), list_strains(a="129")]),
            None,
            r"one value an animal, got a \(129, BALB/c\)",
        ),
    ],
)
def test_strains_that_cannot_be_held_out_are_told(table, folds, told):
    with pytest.raises(PainlibError, match=told):
        split_animals(table, folds, seed=0, hold_out="strain")


def test_a_strain_that_alone_has_a_label_cannot_be_held_out():
    table = list_strains(a="BALB/c", b="129")
    with pytest.raises(PainlibError, match="Without a no training face is labelled 'pain'"):
        split_animals(table[(table["subject"] == "a") | (table["label"] == 0)], None, 0, hold_out="strain")


def test_strain_and_laboratory_come_from_the_cohort_table_by_recording():
    faces = pd.DataFrame({"recording": ["r2", "r1", "r2", "r3"]}, index=[5, 6, 7, 8])
    cohort = pd.DataFrame({"recording": ["r1", "r1", "r2", "r3"], "strain": ["x", "x", "y", np.nan]})
    found = add_cohort_column(faces, cohort, "strain")
    assert found["strain"].tolist() == ["y", "x", "y", ""]
    assert found.index.tolist() == [5, 6, 7, 8]
    with pytest.raises(PainlibError, match="expected a column `lab`, got recording, strain"):
        add_cohort_column(faces, cohort, "lab")


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

    keep_nets.train = fold_training.train_classifier
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold_training, "train_classifier", keep_nets)
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


def test_each_strain_is_judged_by_a_network_that_saw_none_of_it_and_scored_by_itself():
    inputs, faces = draw_cohort()
    faces = faces.assign(strain=np.where(faces["subject"].isin(["m1", "m2"]), "BALB/c", "C57BL/6"))
    seen = []

    def examine(net, rows):
        seen.append(set(faces["subject"].to_numpy()[rows]))
        probabilities = predict_faces(net, inputs, 8, "cpu", rows=rows)
        return pd.DataFrame({"frame": faces["frame"].to_numpy()[rows], "p_pain": probabilities[:, 1]})

    result = cross_validate(inputs, faces, Settings(epochs=1), None, 0, hold_out="strain", examine=examine)
    assert seen == [{"m1", "m2"}, {"m3", "m4"}]
    assert result.examined is not None
    own = result.examined.sort_values("frame", ignore_index=True)
    assert own["fold"].tolist() == result.out_of_fold["fold"].tolist()
    np.testing.assert_allclose(own["p_pain"], result.out_of_fold["p_pain"], atol=1e-6)

    scores = score_groups(result, seed=0)
    auc = scores[scores["metric"] == "auc"].set_index("group")
    assert auc.index.tolist() == ["BALB/c", "C57BL/6"]
    for strain, animals in (("BALB/c", ["m1", "m2"]), ("C57BL/6", ["m3", "m4"])):
        each = []
        for name in animals:
            rows = result.out_of_fold[result.out_of_fold["subject"] == name]
            pain, none = (rows.loc[rows["label"] == label, "p_pain"].to_numpy() for label in (1, 0))
            won = (pain[:, None] > none).mean() + 0.5 * (pain[:, None] == none).mean()
            each.append(won)
        assert auc.loc[strain, "mean"] == pytest.approx(np.mean(each))
        assert auc.loc[strain, "n"] == 2


def test_without_a_group_the_scores_are_those_of_each_fold():
    inputs, faces = draw_cohort()
    result = cross_validate(inputs, faces, Settings(epochs=1), 2, seed=0)
    assert result.examined is None
    scores = score_groups(result, seed=0)
    assert scores["group"].unique().tolist() == [""]
    assert scores["fold"].unique().tolist() == ["fold_1", "fold_2"]


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

    train = fold_training.train_classifier

    def watched(*arguments, **options):
        training[0] = True
        read.append(set())
        trained = train(*arguments, **options)
        training[0] = False
        return trained

    monkeypatch.setattr(fold_training, "train_classifier", watched)
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
