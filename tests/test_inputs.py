"""What each stage reads, as recorded by the notebooks and compared by `painlib run`."""

from pathlib import Path

import pytest
from tiny_lab import DEFAULTS, make_lab

from painlib.faults import PainlibError
from painlib.inputs import stage_inputs
from painlib.params import STAGES, StageParams
from painlib.provenance import stage_status, start_stage


@pytest.fixture
def lab(tmp_path):
    make_lab(tmp_path)
    return tmp_path


VIDEOS = ("m1.mp4", "m2.mp4", "t1_pre.mp4", "t1_ac.mp4")


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
    assert names(lab, params) == ["cohort.csv", *VIDEOS, "labels.csv"]
    touch(lab, "images/a.png")
    (lab / "labels.csv").write_text("image,nose_x,nose_y\na.png,1,2\n")
    assert names(lab, params) == ["cohort.csv", *VIDEOS, "labels.csv", "images/a.png"]
    cohort = (lab / "cohort.csv").read_text().replace("sex\n", "sex,exclude_reason\n")
    (lab / "cohort.csv").write_text(
        cohort.replace("male\n", "male,\n").replace("AC,male,", "AC,male,blurred")
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
    poses = ["pose", "m1.h5", "m2.h5", "", ""]
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


def make_faces_and_maps(lab: Path) -> list[str]:
    """Faces and maps as 01_crop and 03_predict leave them; gives the tables, which are what is compared."""
    touch(lab / "runs", "faces/m1_A.parquet", "faces/m1_A.jpgs", "maps/m2.parquet", "maps/m1.parquet")
    touch(lab / "runs", "maps/m1.npy", "maps/.m2.part-1.parquet", "predictions/frames.parquet")
    return ["runs/faces/m1_A.parquet", "runs/maps/m1.parquet", "runs/maps/m2.parquet"]


def test_gradcam_reads_faces_the_indices_of_their_maps_and_what_was_predicted(lab):
    both = make_faces_and_maps(lab)
    # Which model judged stands in the maps' indices: another one gives other indices.
    assert names(lab, make_params(lab, "gradcam")) == ["cohort.csv", *both, "runs/predictions/frames.parquet"]


def test_regions_reads_faces_the_indices_of_their_maps_and_the_marks_of_those_named(lab):
    both = [*make_faces_and_maps(lab), "runs/predictions/frames.parquet"]
    touch(lab / "runs", "model/card.json", "regions/marks/anna.csv", "regions/marks/carl.csv")
    assert names(lab, make_params(lab, "regions")) == ["cohort.csv", *both]
    # Ben has marked nothing yet, and Carl was not asked for.
    marks = ["runs/regions/marks/anna.csv", "runs/regions/marks/ben.csv"]
    named = make_params(lab, "regions", annotators=["anna", "ben"])
    assert names(lab, named) == ["cohort.csv", *both, *marks]
    # Who marks in the widget is not whose marks are tested.
    marking = make_params(lab, "regions", interactive=True, annotator="anna")
    assert names(lab, marking) == ["cohort.csv", *both]


@pytest.mark.parametrize("changed", ["maps/m1.parquet", "regions/marks/anna.csv"])
def test_a_changed_index_of_maps_or_file_of_marks_makes_regions_stale(lab, changed):
    make_faces_and_maps(lab)
    touch(lab / "runs", "regions/marks/anna.csv", "regions/marks/carl.csv")
    params = make_params(lab, "regions", annotators=["anna"])
    start_stage("regions", params, stage_inputs(params)).finish()
    (lab / "runs" / "regions" / "marks" / "carl.csv").write_text("marks of somebody who was not asked for")
    assert stage_status("regions", params, stage_inputs(params)).state == "done"
    (lab / "runs" / changed).write_text("other maps, or other marks")
    assert stage_status("regions", params, stage_inputs(params)) == ("stale", f"input {changed} changed")


def test_marks_that_are_missing_are_named_before_anything_is_tested(lab):
    make_faces_and_maps(lab)
    params = make_params(lab, "regions", annotators=["ben"])
    with pytest.raises(PainlibError, match=r"Stage regions expected its input, found none: .*ben\.csv"):
        start_stage("regions", params, stage_inputs(params))


def test_what_is_missing_is_named_so_that_it_can_be_said(lab):
    params = make_params(lab, "crop", pose_source="network", pose_network=lab / "nowhere")
    assert names(lab, params)[-1] == "nowhere"
    assert names(lab, make_params(lab, "predict"))[-1] == "runs/model"


def test_arena_films_are_read_whatever_blanks_stand_in_the_header(lab):
    params = make_params(lab, "locomotion", arena_table=lab / "arenas.csv")
    plain = names(lab, params)
    assert plain == ["arenas.csv", "arena1.mp4", "arena2.mp4"]
    table = (lab / "arenas.csv").read_text()
    (lab / "arenas.csv").write_text(table.replace(",", ", "))
    assert names(lab, params) == plain
