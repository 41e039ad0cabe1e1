"""A real JupyterLab of the test's own and a headless browser that works in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest

import painlib

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
START_S = 60


def find_browser() -> str:
    """A Chromium of this machine; none: the test is skipped, or fails where PAINLIB_BROWSER=required."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        said = f"no browser found (looked for {', '.join(BROWSERS)}): nothing is driven or drawn in one"
        if os.environ.get("PAINLIB_BROWSER") == "required":
            pytest.fail(f"{said}, but PAINLIB_BROWSER=required")
        pytest.skip(said)
    return found


@contextmanager
def start_lab(folder: Path, theme: str = "JupyterLab Light") -> Iterator[str]:
    """Address of a server over `folder`, with none of the user's settings; ended afterwards."""
    own = folder / ".jupyter"
    settings = own / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": theme}))
    (settings / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False})
    )
    names = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environment = {
        **os.environ,
        **{f"JUPYTER_{name}": str(own / name.lower()) for name in names},
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "IPYTHONDIR": str(own / "ipython"),
        "PYTHONPATH": os.pathsep.join([str(Path(painlib.__file__).parents[1]), str(Path(__file__).parent)]),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--port=0"]
    command += ["--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"]
    command += ["--LabApp.extension_manager=readonly", "--KernelSpecManager.ensure_native_kernel=True"]
    with open(folder / "lab.log", "w") as log:
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    try:
        yield _wait_for_address(own / "runtime_dir", server, folder / "lab.log")
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for_address(runtime: Path, server: subprocess.Popen, log: Path) -> str:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends and server.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            try:
                address = json.loads(file.read_text())["url"]
                urllib.request.urlopen(f"{address}api/status", timeout=5).close()
                return address
            except (OSError, ValueError):
                pass
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


def write_notebook(path: Path, *cells: str) -> Path:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, path)
    return path


@contextmanager
def open_page(address: str, name: str, wait_ms: int) -> Iterator[Any]:
    """A page of a headless browser with a notebook open in Lab."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1024, "height": 768})
        page.set_default_timeout(wait_ms)
        open_notebook(page, address, name)
        yield page
        browser.close()


def open_notebook(page, address: str, name: str) -> None:
    """Open a notebook in Lab's own window, as a user has it, and wait for its cells."""
    page.goto(f"{address}lab/tree/{name}?reset")
    # On a busy machine Lab says that its server answers late: that is put away, whenever it comes.
    dialog = page.locator(".jp-Dialog")
    page.add_locator_handler(dialog, lambda: dialog.locator(".jp-mod-accept").last.click())
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=60_000)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=60_000)


def run_cell(page, number: int) -> None:
    """Run one cell by keys, as a user does."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(number)
    for _ in range(60):
        cell.locator(".jp-InputArea-editor").click()
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(500)
        if cell.locator(".jp-InputArea-prompt").inner_text().strip() != "[ ]:":
            return  # Lab forgets a cell that is run before its kernel is there
    raise AssertionError(f"cell {number} does not run")


def read_cells(page) -> list[tuple[str, str]]:
    """Kind and text of every cell."""
    cells = page.locator(".jp-Notebook .jp-Cell").all()
    return [
        (
            " ".join(sorted(name for name in cell.get_attribute("class").split() if name.endswith("Cell"))),
            text,
        )
        for cell in cells
        for text in [cell.locator(".cm-content").first.inner_text()]
    ]


def show_widget(page, cell: int):
    """Run a cell, wait for its first image, and give its widget the focus by a click beside the image."""
    run_cell(page, cell)
    widget = page.locator(".jp-CodeCell").nth(cell).locator(".plw[data-shown]")
    widget.wait_for()
    widget.locator(".plw-title").click()
    widget.scroll_into_view_if_needed()
    return widget


def wait_until(page, widget, name: str, value: object) -> None:
    page.wait_for_function(
        "([widget, name, value]) => widget.dataset[name] === value",
        arg=[widget.element_handle(), name, str(value)],
    )


def settle(page, widget) -> None:
    """Wait until Python has answered for every step."""
    page.wait_for_function(
        "widget => { const [heard, sent] = widget.dataset.steps.split('/'); return heard === sent; }",
        arg=widget.element_handle(),
    )
