"""A learner opens notebook 02 in JupyterLab, runs all cells, and sees the confusion matrix."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from conftest import SCREENSHOTS

sys.path.insert(0, str(Path(__file__).parents[2] / "notebooks"))
import execute

NAME = "02_baseline_cnn"
SECONDS = 180  # for all of its cells


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """JupyterLab in a folder with notebook 02 in the smoke profile, not yet run; its address."""
    monkeypatch.setattr(os, "environ", os.environ.copy())  # `choose_data` adds to it
    notebook = execute.as_notebook(execute.SOURCES / f"{NAME}.py")
    nbformat.write(execute.with_smoke_values(notebook, NAME), tmp_path / f"{NAME}.ipynb")
    execute.choose_data()
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", f"--port={port}"]
    options = ["--ip=127.0.0.1", "--IdentityProvider.token=", "--allow-root"]
    quiet = [
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    folders = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "RUNTIME")}
    environment = os.environ | folders | {"CIFAR_UTILS_PROFILE": "smoke"}
    address = f"http://127.0.0.1:{port}"
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, *options, *quiet], cwd=tmp_path, env=environment, stdout=log, stderr=log
        )
    try:
        for _ in range(120):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/api").close()
                break
            time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(30)


def test_all_cells_run_and_show_the_confusion_matrix(browser, lab, tmp_path):
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.goto(f"{lab}/lab/tree/{NAME}.ipynb")
    page.wait_for_selector(".jp-NotebookPanel .jp-MarkdownOutput", timeout=90_000)
    notebook = page.locator(".jp-NotebookPanel")
    idle = page.locator("#jp-main-statusbar").get_by_text("Python 3 (ipykernel) | Idle")
    idle.wait_for(timeout=60_000)  # before, cells are "run" without a kernel
    page.click("text=Run >> nth=0")
    page.click("text='Run All Cells'")
    end = time.monotonic() + SECONDS
    cells = saved_cells(page, tmp_path)
    while not all(cell.execution_count for cell in cells):
        cells = saved_cells(page, tmp_path)
        assert time.monotonic() < end, "some cells are still waiting"
    idle.wait_for(timeout=10_000)
    assert not page.locator(".jp-Dialog").count()
    for output in (output for cell in cells for output in cell.outputs):
        assert output.output_type != "error" and output.get("name") != "stderr", output
    cell = notebook.locator(".jp-CodeCell").filter(has_text="plot_confusion_matrix(")
    matrix = cell.locator(".jp-OutputArea-output img").first
    matrix.scroll_into_view_if_needed()
    assert matrix.evaluate("picture => picture.naturalWidth") > 500
    matrix.screenshot(path=SCREENSHOTS / "lab-02.png")
    page.close()


def saved_cells(page, folder):
    """Save the notebook in JupyterLab, and read its cells of code."""
    page.keyboard.press("Control+s")
    page.wait_for_timeout(2_000)
    notebook = nbformat.read(folder / f"{NAME}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
