"""What all tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real mouse material that PAINLIB_REAL names; set, missing material is a failure."""
    name = os.environ.get("PAINLIB_REAL")
    if not name:
        pytest.skip("PAINLIB_REAL is not set: the checks on real mice need its folder")
    folder = Path(name)
    assert folder.is_dir(), f"PAINLIB_REAL names {folder}, which is not a folder"
    return folder
