"""What each stage reads, as recorded by the notebooks and compared by `painlib run`."""

from pathlib import Path

import pytest
from tiny_lab import DEFAULTS, make_lab

from painlib.inputs import stage_inputs
from painlib.params import STAGES, StageParams


@pytest.fixture
def lab(tmp_path):
    make_lab(tmp_path)
    return tmp_path


def make_params(lab: Path, stage: str, **changes) -> StageParams:
    kind = next(known.params for known in STAGES if known.name == stage)
    shared = {"cohort": lab / "cohort.csv", "workdir": lab / "runs", "seed": 1}
    return kind(**{**shared, **DEFAULTS[stage], **changes})


def names(lab: Path, params: StageParams) -> list[str]:
    return [path.relative_to(lab).as_posix() for path in stage_inputs(params)]


def touch(folder: Path, *files: str) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_crop_reads_the_cohort_its_used_videos_and_the_labels_with_their_files(lab):
    params = make_params(lab, "crop", labels=lab / "labels.csv")
    assert names(lab, params) == ["cohort.csv", "m1.mp4", "m2.mp4", "labels.csv"]
    touch(lab, "images/a.png")
    (lab / "labels.csv").write_text("image,nose_x,nose_y\na.png,1,2\n")
    assert names(lab, params) == ["cohort.csv", "m1.mp4", "m2.mp4", "labels.csv", "images/a.png"]
    cohort = (lab / "cohort.csv").read_text().replace("sex\n", "sex,exclude_reason\n")
    (lab / "cohort.csv").write_text(
        cohort.replace("AC,male", "AC,male,blurred").replace("vehicle,male", "vehicle,male,")
    )
    assert "m2.mp4" not in names(lab, params)


def test_crop_reads_a_deeplabcut_projects_labels_or_a_networks_files(lab):
    touch(lab, "dlc/config.yaml", "dlc/labeled-data/m1/CollectedData_me.h5", "dlc/labeled-data/m1/img1.png")
    for given in ("dlc", "dlc/config.yaml"):
        found = names(lab, make_params(lab, "crop", labels=lab / given))
        assert found[-2:] == ["dlc/config.yaml", "dlc/labeled-data/m1/CollectedData_me.h5"]
    touch(lab, "pose/weights.safetensors", "pose/card.json", "pose/notes.txt")
    params = make_params(lab, "crop", pose_source="network", pose_network=lab / "pose")
    assert names(lab, params)[-2:] == ["pose/card.json", "pose/weights.safetensors"]
    touch(lab, "train/snapshot-050.pt", "train/snapshot-100.pt", "train/pytorch_config.yaml")
    params = make_params(lab, "crop", pose_source="network", pose_network=lab / "train" / "snapshot-100.pt")
    assert names(lab, params)[-2:] == ["train/snapshot-100.pt", "train/pytorch_config.yaml"]


def test_crop_reads_tracker_files_only_when_they_are_the_source(lab):
    touch(lab, "m1.h5", "m2.h5")
    rows = (lab / "cohort.csv").read_text().splitlines()
    poses = ["pose", "m1.h5", "m2.h5"]
    (lab / "cohort.csv").write_text(
        "\n".join(f"{row},{pose}" for row, pose in zip(rows, poses, strict=True)) + "\n"
    )
    assert names(lab, make_params(lab, "crop", pose_source="tracker"))[-2:] == ["m1.h5", "m2.h5"]
    trained = make_params(lab, "crop", labels=lab / "labels.csv")
    assert "m1.h5" not in names(lab, trained)


def test_later_stages_read_the_tables_of_those_before(lab):
    touch(
        lab / "runs",
        "faces/m2_A.parquet",
        "faces/m1_A.parquet",
        "faces/m1_A.jpgs",
        "faces/.m1_A.part-1.parquet",
    )
    touch(
        lab / "runs",
        "model/card.json",
        "model/weights.safetensors",
        "model/pose/card.json",
        "other/card.json",
    )
    faces = ["runs/faces/m1_A.parquet", "runs/faces/m2_A.parquet"]
    assert names(lab, make_params(lab, "train")) == ["cohort.csv", *faces]
    model = ["runs/model/card.json", "runs/model/pose/card.json", "runs/model/weights.safetensors"]
    assert names(lab, make_params(lab, "predict")) == ["cohort.csv", *faces, *model]
    elsewhere = make_params(lab, "predict", model=lab / "runs" / "other")
    assert names(lab, elsewhere) == ["cohort.csv", *faces, "runs/other/card.json"]


def test_statistics_reads_predictions_only_where_an_assay_asks_for_them_and_the_sealed_key(lab):
    minutes = ["", str(lab / "curves.csv")]
    two = {"assays": ["a", "b"], "groups": [["x"], ["x"]], "control": ["x", "x"], "paired": [False, False]}
    params = make_params(lab, "statistics", minutes=minutes, treatment_key=lab / "key.csv", **two)
    assert names(lab, params) == ["cohort.csv", "runs/predictions/minutes.parquet", "curves.csv", "key.csv"]
    one = make_params(lab, "statistics", minutes=[str(lab / "curves.csv")])
    assert names(lab, one) == ["cohort.csv", "curves.csv"]


def test_what_is_missing_is_named_so_that_it_can_be_said(lab):
    params = make_params(lab, "crop", pose_source="network", pose_network=lab / "nowhere")
    assert names(lab, params)[-1] == "nowhere"
    assert names(lab, make_params(lab, "predict"))[-1] == "runs/model"
