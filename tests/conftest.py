"""What all tests share."""

import os
from pathlib import Path

import pytest


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What a long check prints is its result: shown when it ends, wherever it ran."""
    if report.when == "call" and "verify" in report.keywords and "PYTEST_XDIST_WORKER" not in os.environ:
        print(
            f"\n{report.nodeid}: {report.outcome} in {report.duration:.0f} s\n{report.capstdout}", flush=True
        )


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where long checks that build on each other find what is made: the folder that `PAINLIB_VERIFY` names
    (a stopped check goes on), or a temporary one that all processes of this run share."""
    name = os.environ.get("PAINLIB_VERIFY")
    own = tmp_path_factory.getbasetemp()
    return Path(name) if name else (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "kept"


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real mouse material that PAINLIB_REAL names; set, missing material is a failure."""
    name = os.environ.get("PAINLIB_REAL")
    if not name:
        pytest.skip("PAINLIB_REAL is not set: the checks on real mice need its folder")
    folder = Path(name)
    assert folder.is_dir(), f"PAINLIB_REAL names {folder}, which is not a folder"
    return folder
