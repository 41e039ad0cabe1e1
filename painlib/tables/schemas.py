"""The written schema of every table that painlib stores, and the check of a table against it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from painlib.faults import Faults

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

# Probabilities that went through float32 still sum to 1 within this.
SUM_TOLERANCE = 1e-5
LEFT_OUT = ("blurred", "small", "turned")  # why a face is not judged


@dataclass(frozen=True)
class Column:
    """One column: numpy type ("str" for text), meaning, bounds (inclusive) and allowed values."""

    dtype: str
    description: str
    nullable: bool = False
    at_least: float | None = None
    at_most: float | None = None
    allowed: tuple[Any, ...] = ()


@dataclass(frozen=True)
class TableSchema:
    """The columns of one kind of table, in order, and the stage that writes it."""

    name: str
    stage: str
    columns: dict[str, Column]
    sums_to_one: tuple[str, ...] = ()


_WHO = {
    "recording": Column("str", "one animal over one stretch of time"),
    "subject": Column("str", "the animal"),
}
_CAMERA = {"camera": Column("str", "the camera")}
_FRAME = {
    "frame": Column("int64", "zero-based number of the decoded frame (parts: counted on)", at_least=0),
    "time_s": Column("float64", "the recording's clock, s"),
}
_RULE = {"rule": Column("int8", "crop rule: 1 both eyes, 2 right eye, 3 left eye", allowed=(1, 2, 3))}
_PROBABILITIES = {
    "p_no_pain": Column("float64", "probability of no pain", at_least=0, at_most=1),
    "p_pain": Column("float64", "probability of pain", at_least=0, at_most=1),
}
_TRAINED_ON = {"trained_on": Column("bool", "the model was trained on this animal")}
_KNOWN = ("inside", "outside", "cannot be told", "")
_INSIDE = {"inside": Column("str", "whether the model knows such animals; empty: not asked", allowed=_KNOWN)}


def _keypoint_columns() -> dict[str, Column]:
    columns = {}
    for point in ("nose", "right_eye", "left_eye"):
        columns[f"{point}_x"] = Column("float64", "px of the original video, NaN where absent", nullable=True)
        columns[f"{point}_y"] = Column("float64", "px of the original video, NaN where absent", nullable=True)
        columns[f"{point}_likelihood"] = Column("float64", "0 where absent", at_least=0, at_most=1)
    return columns


SCHEMAS: dict[str, TableSchema] = {
    schema.name: schema
    for schema in (
        TableSchema("pose", "01_crop", {**_FRAME, **_keypoint_columns()}),
        TableSchema(
            "faces",
            "01_crop",
            {
                **_WHO,
                **_CAMERA,
                **_FRAME,
                **_RULE,
                "centre_x": Column("float64", "centre of the square, px of the original video"),
                "centre_y": Column("float64", "centre of the square, px of the original video"),
                "size_px": Column("int64", "side of the square, px of the original video", at_least=1),
                "offset": Column("int64", "first byte of the JPEG in its blob", at_least=0),
                "length": Column("int64", "bytes of the JPEG", at_least=1),
            },
        ),
        TableSchema(
            "out_of_fold",
            "02_train",
            {
                **_WHO,
                **_CAMERA,
                "frame": _FRAME["frame"],
                "label": Column("int64", "of the recording: 0 no pain, 1 pain", at_least=0, at_most=1),
                "sex": Column("str", "of the animal, or empty"),
                "fold": Column("str", "the round in which this animal was held out"),
                **_PROBABILITIES,
                "p_pain_calibrated": Column(
                    "float64", "p_pain, calibrated by other animals", at_least=0, at_most=1
                ),
            },
            sums_to_one=("p_no_pain", "p_pain"),
        ),
        TableSchema(
            "frames",
            "03_predict",
            {
                **_WHO,
                **_CAMERA,
                **_FRAME,
                **_RULE,
                **_PROBABILITIES,
                "p_pain_calibrated": Column("float64", "p_pain, calibrated", at_least=0, at_most=1),
                "sharpness": Column("float64", "sharpness of the face, 1/px^2", at_least=0),
                "size": Column("float64", "size of the head over the crop's side", at_least=0),
                "turn": Column("float64", "0 frontal to 1 in profile", at_least=0, at_most=1),
                "left_out": Column("str", "why the face is not judged", allowed=("", *LEFT_OUT)),
                **_TRAINED_ON,
                **_INSIDE,
            },
            sums_to_one=("p_no_pain", "p_pain"),
        ),
        TableSchema(
            "maps",
            "03_predict",
            {
                **_WHO,
                **_CAMERA,
                "frame": _FRAME["frame"],
                "peak_no_pain": Column("float64", "the raw map's maximum, 0 where all is 0", at_least=0),
                "peak_pain": Column("float64", "the raw map's maximum, 0 where all is 0", at_least=0),
            },
        ),
        TableSchema(
            "timepoints",
            "03_predict",
            {
                **_WHO,
                "time_s": _FRAME["time_s"],
                "minute": Column("int64", "whole minutes since time zero"),
                "n_faces": Column("int8", "faces judged, one a camera at most", at_least=0),
                "n_left_out": Column("int8", "faces too poor to be judged", at_least=0),
                "p_no_pain": Column("float64", "sum over cameras, NaN without a face", True, at_least=0),
                "p_pain": Column("float64", "sum over cameras, NaN without a face", True, at_least=0),
                "p_pain_calibrated": Column(
                    "float64", "mean over cameras, NaN without a face", True, at_least=0, at_most=1
                ),
                "call": Column("str", "the judgement", allowed=("pain", "no pain", "not judged", "skipped")),
                **_TRAINED_ON,
                **_INSIDE,
            },
        ),
        TableSchema(
            "minutes",
            "03_predict",
            {
                **_WHO,
                "phase": Column("str", "pre, post or empty", allowed=("pre", "post", "")),
                "period": Column("str", "period of a crossover, or empty"),
                "treatment": Column("str", "treatment, or empty while it is sealed"),
                "minute": Column("int64", "whole minutes since time zero"),
                "n_timepoints": Column("int64", "time points of this minute", at_least=0),
                "n_evaluated": Column("int64", "time points called pain or no pain", at_least=0),
                "n_pain": Column("int64", "time points called pain", at_least=0),
                "n_not_judged": Column("int64", "time points with a face, not judged", at_least=0),
                "coverage": Column("float64", "n_evaluated / n_timepoints", True, at_least=0, at_most=1),
                "pain_probability": Column(
                    "float64",
                    "n_pain / n_evaluated, NaN without a face or below the minimum coverage",
                    nullable=True,
                    at_least=0,
                    at_most=1,
                ),
                **_TRAINED_ON,
                **_INSIDE,
            },
        ),
    )
}


def find_schema(schema: str | TableSchema) -> TableSchema:
    """The schema of that name in `SCHEMAS`; a schema is given back as it is."""
    return schema if isinstance(schema, TableSchema) else SCHEMAS[schema]


def check_table(frame: pd.DataFrame, schema: str | TableSchema, heading: str) -> pd.DataFrame:
    """`frame` with the schema's columns in order and types; all faults in one `PainlibError`."""
    import pandera.errors

    known = find_schema(schema)
    faults = Faults()
    for name in [name for name in frame.columns if name not in known.columns]:
        faults.add(f"Column '{name}' is not in the schema. Columns: {', '.join(known.columns)}.")
    present = {name: column for name, column in known.columns.items() if name in frame.columns}
    for name in [name for name in known.columns if name not in present]:
        faults.add(f"Column '{name}' is missing ({known.columns[name].description}).")
    fitted = frame[list(present)].reset_index(drop=True)
    for name, column in present.items():
        fitted[name] = _widen(fitted[name], column)
    try:
        with warnings.catch_warnings():
            # pandera's own concatenation of its failure cases warns about pandas' future.
            warnings.simplefilter("ignore", FutureWarning)
            _build_pandera(present, fitted).validate(fitted, lazy=True)
    except pandera.errors.SchemaErrors as error:
        for text in _describe_failures(error.failure_cases, known):
            faults.add(text)
    if known.sums_to_one and not faults:
        wrong = (fitted[list(known.sums_to_one)].sum(axis=1) - 1).abs() > SUM_TOLERANCE
        if wrong.any():
            names = " + ".join(known.sums_to_one)
            faults.add(f"Columns {names} must sum to 1; {_rows(int(wrong.sum()), int(wrong.argmax()))}.")
    faults.raise_if_any(heading)
    return fitted


def _build_pandera(columns: dict[str, Column], frame: pd.DataFrame) -> pa.DataFrameSchema:
    """Types, and bounds of the columns that are of their type."""
    import numpy as np
    import pandera.pandas as pa

    built = {}
    for name, column in columns.items():
        checks = []
        fits = column.dtype == "str" or frame[name].dtype == column.dtype
        if fits and column.dtype == "float64":
            checks.append(pa.Check(lambda values: ~np.isinf(values), error="finite"))
        if fits and column.at_least is not None:
            checks.append(pa.Check.ge(column.at_least, error=f"at least {column.at_least:g}"))
        if fits and column.at_most is not None:
            checks.append(pa.Check.le(column.at_most, error=f"at most {column.at_most:g}"))
        if fits and column.allowed:
            names = ", ".join(repr(value) for value in column.allowed)
            checks.append(pa.Check.isin(column.allowed, error=f"one of {names}"))
        built[name] = pa.Column(column.dtype, checks, nullable=column.nullable)
    return pa.DataFrameSchema(built)


def _describe_failures(cases: pd.DataFrame, schema: TableSchema) -> Iterator[str]:
    is_type = cases["check"].str.startswith("dtype(")
    wrong_type = set(cases.loc[is_type & cases["index"].isna(), "column"])
    for keys, group in cases.groupby(["column", "check"], sort=False):
        name, check = map(str, keys)
        got, index = group["failure_case"].iloc[0], group["index"].iloc[0]
        got = got.item() if hasattr(got, "item") else got  # 50.0, not np.float64(50.0)
        if check.startswith("dtype("):
            dtype = schema.columns[name].dtype
            expected = "text" if dtype == "str" else dtype
            where = "" if name in wrong_type else f"; {_rows(len(group), index)}"
            yield f"Column '{name}': expected {expected}, got {got!r}{where}."
        elif name not in wrong_type:
            expected = "a value in every row" if check == "not_nullable" else check
            yield f"Column '{name}': expected {expected}, got {got!r}; {_rows(len(group), index)}."


def _rows(count: int, first: int) -> str:
    return f"row {first}" if count == 1 else f"{count} rows, the first is row {first}"


def _widen(values: pd.Series, column: Column) -> pd.Series:
    """The values in the column's type where nothing is lost; otherwise as they are, for the check to name."""
    import pandas as pd

    types = pd.api.types
    if values.empty:
        return values.astype("object" if column.dtype == "str" else column.dtype)  # type: ignore[call-overload]
    if column.dtype == "str":
        return values.astype(object)
    if values.isna().any() and column.dtype != "float64":
        return values
    numbers = types.is_numeric_dtype(values) and not types.is_bool_dtype(values)
    if column.dtype == "float64" and numbers:
        return values.astype("float64")
    if column.dtype.startswith("int") and types.is_integer_dtype(values):
        narrowed = values.astype(column.dtype)  # type: ignore[call-overload]
        return narrowed if (narrowed == values).all() else values
    if column.dtype == "bool" and types.is_bool_dtype(values):
        return values.astype("bool")
    return values
