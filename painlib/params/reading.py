"""A run's YAML over the notebooks' defaults, every fault at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from painlib.faults import Faults, PainlibError, did_you_mean
from painlib.params.cluster import read_cluster
from painlib.params.fields import StageParams
from painlib.params.notebook_defaults import read_notebook_defaults
from painlib.params.stages import STAGES, Stage
from painlib.workers.jobs import JobParams

if TYPE_CHECKING:
    import pandas as pd

SHARED_KEYS = tuple(StageParams.model_fields)
# Lists of paths: each entry stands against the file that names it, as a path does; "" stays "".
PATH_LISTS = ("minutes", "score_files")


@dataclass(frozen=True)
class Run:
    """One parameter file: its shared keys, each stage's checked parameters by name, its `demo` section, and
    the cluster that the work goes to (an address, jobs of a batch system, or None: this machine)."""

    path: Path
    shared: dict[str, Any]
    stages: dict[str, StageParams]
    demo: dict[str, Any] | None
    cluster: str | JobParams | None = None


def as_papermill(params: StageParams) -> dict[str, Any]:
    """The parameters as plain values for papermill; paths are absolute text."""
    plain = params.model_dump(mode="json")
    for name in path_fields(type(params)):
        value = getattr(params, name)
        if value is not None:
            plain[name] = str(value.absolute())
    return plain


def describe(params: StageParams) -> pd.DataFrame:
    """A table to show: parameter, value, description (with unit and bounds)."""
    import pandas as pd

    rows = [
        (name, getattr(params, name), field.description) for name, field in type(params).model_fields.items()
    ]
    return pd.DataFrame(rows, columns=["parameter", "value", "description"])


def load_run(path: str | Path, notebooks: str | Path) -> Run:
    """Read a run's YAML over the defaults of the notebooks in the folder `notebooks`.

    A notebook's default gives way to a shared key, and that to the stage's section. Relative paths stand
    against the file that names them. Whether files exist is not asked here: a stage may write what the next
    one reads. Raises one `PainlibError` with every unknown, missing or unfit key.
    """
    path, notebooks = Path(path).absolute(), Path(notebooks).absolute()
    written = load_yaml(path)
    faults = Faults()
    sections = {stage.name: _read_section(written, stage.name, path, faults) for stage in STAGES}
    demo = _read_section(written, "demo", path, faults) if "demo" in written else None
    cluster = read_cluster(written.get("cluster"), path.name, faults)
    top = (*SHARED_KEYS, "cluster", *sections, "demo")
    for key in [key for key in written if key not in top]:
        faults.add(f"{path.name}, key {key}: expected one of {', '.join(top)}.{_near_key(key, top)}")
    shared = {key: _against(path.parent, key, written[key]) for key in SHARED_KEYS if key in written}
    for key in [key for key in SHARED_KEYS if key not in written]:
        meaning = StageParams.model_fields[key].description
        faults.add(f"{path.name}, key {key}: expected a value ({meaning}) at the top of the file, got none.")
    stages = {}
    for stage in STAGES:
        notebook = notebooks / f"{stage.notebook}.ipynb"
        defaults = {
            key: _against(notebooks, key, value)
            for key, value in read_notebook_defaults(notebook).items()
            if key not in SHARED_KEYS
        }
        section = {key: _against(path.parent, key, value) for key, value in sections[stage.name].items()}
        places = {
            **{key: f"{notebook.name}, default {key}" for key in defaults},
            **{key: f"{path.name}, key {key}" for key in shared},
            **{key: f"{path.name}, key {stage.name}.{key}" for key in section},
        }
        try:
            stages[stage.name] = stage.params(**{**defaults, **shared, **section})
        except ValidationError as error:
            for text in _describe_errors(error, stage, places):
                faults.add(text)
    faults.raise_if_any(f"The parameters have faults: {path}")
    return Run(path, shared, stages, demo, cluster)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file (`1e-3` is a number, `no` is text); a key twice is an error."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = Path(path)
    if not path.is_file():
        near = ""
        if path.parent.is_dir():
            near = did_you_mean(path.name, [other.name for other in path.parent.glob("*.y*ml")])
        raise PainlibError(f"Expected a parameter file, found none: {path}.{near}")
    try:
        # The pure reader: the compiled one reads YAML 1.1.
        written = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise PainlibError(
            f"Expected text in UTF-8, got another encoding at byte {error.start}: {path}. Save it as UTF-8."
        ) from error
    except YAMLError as error:
        raise PainlibError(
            f"Expected YAML, got a file that cannot be read: {_locate(error, path)}"
        ) from error
    if not isinstance(written, dict):
        raise PainlibError(f"Expected `key: value` lines, got {_name_type(written)}: {path}")
    return written


def _read_section(written: Mapping[str, Any], name: str, path: Path, faults: Faults) -> dict[str, Any]:
    section = written.get(name)
    if section is None:
        return {}
    if not isinstance(section, dict):
        faults.add(
            f"{path.name}, key {name}: expected a section of `key: value` lines, got {_name_type(section)}."
        )
        return {}
    return {str(key): value for key, value in section.items()}


def _against(folder: Path, key: str, value: Any) -> Any:
    """`value` with its relative paths made absolute, where `key` holds paths."""
    is_path = any(key in path_fields(stage.params) for stage in STAGES)
    if is_path and isinstance(value, str) and value.strip():
        return os.path.abspath(folder / value)
    if key in PATH_LISTS and isinstance(value, list):
        return [
            os.path.abspath(folder / entry) if isinstance(entry, str) and entry.strip() else entry
            for entry in value
        ]
    return value


def _describe_errors(error: ValidationError, stage: Stage, places: Mapping[str, str]) -> Iterator[str]:
    fields = stage.params.model_fields
    for fault in error.errors(include_url=False):
        key = str(fault["loc"][0]) if fault["loc"] else ""
        place = places.get(key, f"{stage.notebook}.ipynb, default {key}")
        if fault["type"] == "extra_forbidden":
            known = [name for name in fields if name not in SHARED_KEYS]
            hint = _near_key(key, known) or f" Known: {', '.join(known)}."
            yield f"{place}: expected a key of {stage.name}, got an unknown one.{hint}"
        elif fault["type"] == "missing" and key in SHARED_KEYS:
            continue  # said once, for the file
        elif fault["type"] == "missing":
            yield f"{place}: expected a value ({fields[key].description}), got none."
        elif not key:
            for line in str(fault["ctx"]["error"]).splitlines():
                name = line.split("[")[0].split()[0]
                yield f"{places.get(name, stage.name)}: {line}."
        else:
            entry = "".join(f"[{step}]" for step in fault["loc"][1:] if isinstance(step, int))
            got = f"{fault['input']!r} ({_name_type(fault['input'])})"
            rule = fault["msg"].removeprefix("Input should ").removeprefix("be ")
            rule = f"a value {rule}" if rule.startswith(("greater", "less", "have")) else rule
            meaning, hint = fields[key].description, _hint(fault["input"], rule)
            yield f"{place}{entry}: expected {rule} ({meaning}), got {got}.{hint}"


def _hint(value: Any, rule: str) -> str:
    if isinstance(value, str) and "boolean" in rule:
        return " Write true or false."
    if isinstance(value, str) and ("integer" in rule or "number" in rule) and _is_number(value):
        return " Remove the quotes."
    if isinstance(value, str) and "'" in rule:
        return did_you_mean(value, rule.split("'")[1::2])
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _near_key(key: object, known: Iterable[str]) -> str:
    """The known key that was meant; a key that belongs to a section, or another section, is told so."""
    owners = [stage.name for stage in STAGES if key in stage.params.model_fields]
    return f" It belongs in the section {' or '.join(owners)}." if owners else did_you_mean(key, known)


def _name_type(value: Any) -> str:
    names = {"str": "text", "int": "integer", "float": "number", "bool": "true/false", "NoneType": "nothing"}
    return names.get(type(value).__name__, type(value).__name__)


def _locate(error: Exception, path: Path) -> str:
    """File, line, column, what is wrong there, and what to do."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    place = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else f"{path}"
    told = " ".join(str(problem or error).split())
    return (
        f"{place}: {told}. Look at that line and the ones above it: a blank behind each colon, blanks and no "
        "tabs before a key, all brackets and quotes closed, text with a colon or # in quotes, each key once."
    )


def path_fields(model: type[StageParams]) -> list[str]:
    """The fields of a stage that hold a path."""
    return [name for name, field in model.model_fields.items() if "Path" in str(field.annotation)]
