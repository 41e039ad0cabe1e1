"""The five action units of the Mouse Grimace Scale, their degrees, and the drawings that show them.

The scale is that of Langford et al. 2010 (Nat Methods 7:447): each unit 0, 1 or 2. Words and drawings are
ours. Kobayashi et al. 2025 ("Mouse Grimace Scale") sum the five to a total of 0 to 10.
"""

from __future__ import annotations

from pathlib import Path

FACE = ("recording", "camera", "frame")  # what names a face
UNITS = ("orbital_tightening", "nose_bulge", "cheek_bulge", "ear_position", "whisker_change")
UNIT_NAMES = dict(
    zip(
        UNITS,
        ("orbital tightening", "nose bulge", "cheek bulge", "ear position", "whisker change"),
        strict=True,
    )
)
DEGREES = (0, 1, 2)
# Langford et al. 2010: 1 is a moderate appearance, or doubt whether the unit is there at all.
DEGREE_NAMES = ("not there", "moderate, or in doubt", "obvious")
HIGHEST_TOTAL = len(UNITS) * max(DEGREES)

DEFINITIONS = {
    "orbital_tightening": "The lids close on the eye. An eye closed by more than half is a 2.",
    "nose_bulge": "The skin over the bridge of the nose rises to a rounded ridge.",
    "cheek_bulge": "The cheek, between eye and whiskers, stands out round against its usual line.",
    "ear_position": "The ears turn out and back, away from the face, and stand wider apart.",
    "whisker_change": "The whiskers leave their gentle downward curve: back against the cheek, or forward, "
    "on end, and clumped.",
}
# What each degree looks like, unit by unit, for the drawing of the same name.
DEGREE_WORDS = {
    "orbital_tightening": ("round and open", "narrowed, less than half shut", "more than half shut"),
    "nose_bulge": ("straight bridge", "slight rise", "round ridge with folds"),
    "cheek_bulge": ("flat or hollow", "slightly round", "round and full"),
    "ear_position": ("up, facing forward", "turned out a little", "out and back, far apart"),
    "whisker_change": ("loose, curving down", "stiffer, some on end", "on end and clumped"),
}
# How tables of others call the units; "_" and blanks, capitals and a plural are the same everywhere.
SYNONYMS = {
    "orbital_tightening": ("orbital", "orbital tightness", "eye", "eyes", "eye tightening", "ot"),
    "nose_bulge": ("nose", "nose bulging", "nb"),
    "cheek_bulge": ("cheek", "cheeks", "cheek bulging", "cb"),
    "ear_position": ("ear", "ears", "ear change", "ep"),
    "whisker_change": ("whisker", "whiskers", "whisker position", "wc"),
}


def find_reference_picture() -> Path:
    """The drawing of all units at all degrees (SVG): one panel each, whose id is unit and degree.

    The panel "ear_position_2" shows ear position at degree 2; rows are units, columns degrees.
    """
    return Path(__file__).parent / "action_units.svg"


def find_unit(name: str) -> str | None:
    """The unit that a table calls `name` (its own name or a synonym); None where it is none."""
    plain = " ".join(name.strip().lower().replace("_", " ").replace("-", " ").split())
    for unit in UNITS:
        if plain in (UNIT_NAMES[unit], *SYNONYMS[unit]):
            return unit
    return None
