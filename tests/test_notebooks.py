"""The shape of every notebook: DESIGN's order of cells, lengths, defaults, and nothing left in them."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest

import painlib
from painlib.params import STAGES, read_notebook_defaults

FOLDER = Path(painlib.__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_CELLS, MOST_LINES, MOST_PARAMETER_LINES = 25, 15, 30
# A path of one machine: /home/..., /Users/..., C:\..., ~/...
ABSOLUTE_PATH = re.compile(r"""["'(\s](/(?!/)[A-Za-z_][\w.-]*/|[A-Za-z]:[\\/]|~/)""")
SHOWING = re.compile(r"\b(save_figure|plot_\w+|Video)\(")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return request.param


def read_cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def read_source(cell: dict) -> str:
    return "".join(cell["source"])


def read_code(path: Path) -> list[dict]:
    return [cell for cell in read_cells(path) if cell["cell_type"] == "code"]


def has_tag(cell: dict, tag: str) -> bool:
    return tag in cell["metadata"].get("tags", [])


def test_every_stage_has_its_notebook_and_every_notebook_its_stage():
    assert [path.stem for path in NOTEBOOKS] == [stage.notebook for stage in STAGES]


def test_a_notebook_is_valid_and_keeps_no_outputs(notebook):
    nbformat.validate(nbformat.read(notebook, as_version=4))
    for cell in read_code(notebook):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    metadata = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert "widgets" not in metadata
    assert "papermill" not in metadata


def test_the_first_cells_are_title_parameters_imports_and_run_record(notebook):
    cells = read_cells(notebook)
    assert cells[0]["cell_type"] == "markdown"
    introduction = read_source(cells[0])
    assert introduction.startswith("# ")
    assert "?" in introduction, "the first cell asks the question that the notebook answers"
    assert "reads" in introduction.lower()
    assert "writes" in introduction.lower()
    code = read_code(notebook)
    assert has_tag(code[0], "parameters")
    assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(read_source(code[1])).body)
    assert "Params(" in read_source(code[2])
    assert "start_stage(" in read_source(code[2])
    for cell in code[2:]:
        imports = [
            node
            for node in ast.walk(ast.parse(read_source(cell)))
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert imports == [], "all imports stand in one cell"


def test_one_parameters_cell_holds_typed_commented_literals_for_every_field(notebook):
    assert sum(has_tag(cell, "parameters") for cell in read_cells(notebook)) == 1
    # Reading checks types, comments and literals, and what papermill's inspection would drop.
    defaults = read_notebook_defaults(notebook)
    stage = next(stage for stage in STAGES if stage.notebook == notebook.stem)
    assert set(defaults) == set(stage.params.model_fields)


def test_the_defaults_fit_their_own_bounds(notebook):
    stage = next(stage for stage in STAGES if stage.notebook == notebook.stem)
    defaults = read_notebook_defaults(notebook)
    if stage.name == "crop":
        defaults["labels"] = "labels.csv"
    stage.params(**defaults)


def test_papermill_sees_every_parameter_with_its_type(notebook):
    from papermill import inspect_notebook

    seen = inspect_notebook(str(notebook))
    assert set(seen) == set(read_notebook_defaults(notebook))
    untyped = [
        name for name, found in seen.items() if found["inferred_type_name"] == "None" or not found["help"]
    ]
    assert untyped == []


def test_cells_are_few_and_short(notebook):
    cells = read_cells(notebook)
    assert len(cells) <= MOST_CELLS
    for cell in read_code(notebook):
        most = MOST_PARAMETER_LINES if has_tag(cell, "parameters") else MOST_LINES
        source = read_source(cell)
        assert len(source.splitlines()) <= most, source


def test_a_notebook_defines_nothing_and_names_no_place_of_one_machine(notebook):
    for cell in read_code(notebook):
        source = read_source(cell)
        for node in ast.walk(ast.parse(source)):
            assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef), source
            assert not isinstance(node, ast.ImportFrom) or all(alias.name != "*" for alias in node.names)
        assert not re.search(r"^\s*[%!]", source, re.MULTILINE), "no magics: they hide what a cell does"
    for cell in read_cells(notebook):
        assert not ABSOLUTE_PATH.search(read_source(cell)), read_source(cell)


def test_a_notebook_ends_in_a_figure_and_finishes_its_record(notebook):
    code = [read_source(cell) for cell in read_code(notebook)]
    ended = [source for source in code if ".finish()" in source]
    assert len(ended) == 1
    assert SHOWING.search(code[-1]), "the last cell shows a figure, or a film"
    assert any("save_figure(" in source for source in code)


def test_interactive_parts_stand_in_one_guarded_cell_that_no_result_needs(notebook):
    code = read_code(notebook)
    interactive = [read_source(cell) for cell in code if "interactive" in read_source(cell)]
    interactive += [source for cell in code if "ipywidgets" in (source := read_source(cell))]
    guarded = [source for source in interactive if re.search(r"^if interactive\b", source, re.MULTILINE)]
    assert len(guarded) <= 1
    if interactive:
        assert any(re.search(r"^interactive\s*=\s*False", source, re.MULTILINE) for source in interactive)
        body = [node for node in ast.parse(guarded[0]).body if not isinstance(node, ast.If)]
        stores = [
            node
            for node in body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) != "interactive"
        ]
        assert stores == []
