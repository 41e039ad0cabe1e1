"""The house: who may import whom, how long a module is, and what importing painlib brings in."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import painlib

PACKAGE = Path(painlib.__file__).parent
LONGEST_MODULE = 320  # lines

# From the ground up: a module imports only what stands before it. A package counts as one module.
FLOORS: dict[str, list[str]] = {
    "0": [
        *("faults", "places", "remote", "progress", "machine", "workers", "fingerprints"),
        *("tables", "params", "cohort", "stage_files", "provenance", "inputs"),
    ],
    "1": ["video", "engines", "pose", "faces"],
    "2": [
        *(
            "model_card",
            "pooled_norm",
            "model",
            "baseline",
            "metrics",
            "training",
            "face_judge",
            "prediction",
        ),
        *("work_places", "fold_training", "validation", "calibration", "fusion", "attribution"),
        *("regions", "weak_labels"),
        *("judging", "stats", "similarity", "region_tests", "evidence", "region_faces"),
        *("region_results", "grimace", "locomotion", "novelty", "one_pass", "scoring", "confounds"),
    ],
    "3": ["plots", "widgets"],
    "aside": ["demo", "bench"],
    "front": ["console", "records", "report", "plan", "runner", "checks", "scores", "cli"],
}
ORDER = [module for floor in FLOORS.values() for module in floor]
# What takes long to import, and so waits inside functions on floors 0 and 1 and in the front.
SLOW = {
    "dask",
    "dask_jobqueue",
    "distributed",
    "openvino",
    "accelerate",
    "torch",
    "torchvision",
    "deeplabcut",
    "movement",
    "pingouin",
    "matplotlib",
    "seaborn",
    "papermill",
    "nbconvert",
}
NOT_WITH_PAINLIB = SLOW | {"pandas", "pandera", "scipy", "cv2", "av", "pyarrow", "pydantic"}


def list_modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def name_module(path: Path) -> str:
    """The module's name on its floor: the first part below painlib."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def find_imports(path: Path) -> set[str]:
    """All modules that a file imports anywhere in it, those for type checkers only left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            node.body = []
    found = set()
    package = ["painlib", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # "from painlib import video" names a module, "from painlib.video import Frame" is in one.
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "painlib" else {module}
    return found


def find_first_imports(path: Path) -> set[str]:
    """The top-level packages that are imported as soon as a module is."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.split(".")[0])
    return found


IMPORTS = {path: find_imports(path) for path in list_modules()}


def find_neighbours(path: Path) -> set[str]:
    """The modules of painlib, outside its own package, that a file imports."""
    names = {name.split(".")[1] for name in IMPORTS[path] if name.startswith("painlib.")}
    known = {name for name in names if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()}
    return known - {name_module(path)}


def test_every_module_has_its_place_on_a_floor():
    found = {name_module(path) for path in list_modules()} - {"__init__"}
    assert len(set(ORDER)) == len(ORDER)
    assert sorted(found - set(ORDER)) == [], "give a new module its place in FLOORS"
    assert sorted(set(ORDER) - found) == [], "gone from the package, still in FLOORS"


@pytest.mark.parametrize("path", list_modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path):
    name = name_module(path)
    before = ORDER[: ORDER.index(name)] if name in ORDER else []
    upwards = find_neighbours(path) - set(before)
    assert upwards == set(), f"{name} imports what stands above it"


@pytest.mark.parametrize("aside", FLOORS["aside"])
def test_what_stands_aside_is_for_the_front_alone(aside):
    importers = {name_module(path) for path in IMPORTS if aside in find_neighbours(path)}
    assert importers <= {*FLOORS["front"], "bench"}


def test_papermill_is_the_runners_alone():
    users = {
        name_module(path)
        for path, names in IMPORTS.items()
        if any(n.split(".")[0] == "papermill" for n in names)
    }
    assert users == {"runner"}


def test_figures_are_drawn_by_plots_alone():
    drawing = {"matplotlib", "seaborn"}
    users = {
        name_module(path) for path, names in IMPORTS.items() if drawing & {n.split(".")[0] for n in names}
    }
    assert users <= {"plots"}


@pytest.mark.parametrize("floor", ["0", "1", "front"])
def test_slow_libraries_wait_inside_functions(floor):
    early = {
        str(path.relative_to(PACKAGE)): sorted(find_first_imports(path) & SLOW)
        for path in IMPORTS
        if name_module(path) in FLOORS[floor]
    }
    assert {path: names for path, names in early.items() if names} == {}


def test_modules_stay_short():
    lengths = {
        path.relative_to(PACKAGE): len(path.read_text(encoding="utf-8").splitlines()) for path in IMPORTS
    }
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_no_module_is_named_after_a_library_or_after_nothing():
    names = {name_module(path) for path in IMPORTS} - {"__init__"}
    assert (
        names & (set(sys.stdlib_module_names) | NOT_WITH_PAINLIB | {"utils", "helpers", "misc", "common"})
        == set()
    )


def test_importing_painlib_and_its_command_brings_in_nothing_slow():
    code = "import sys, painlib, painlib.cli; print(*{name.split('.')[0] for name in sys.modules})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(told.stdout.split()) & NOT_WITH_PAINLIB == set()
