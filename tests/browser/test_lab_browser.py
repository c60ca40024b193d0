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


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """JupyterLab in a folder with notebook 02 in the smoke profile, not yet run; its address."""
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


def test_all_cells_run_and_show_the_confusion_matrix(browser, lab):
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.goto(f"{lab}/lab/tree/{NAME}.ipynb")
    page.wait_for_selector(".jp-NotebookPanel .jp-MarkdownOutput", timeout=90_000)
    page.click("text=Run >> nth=0")
    page.click("text='Run All Cells'")
    notebook = page.locator(".jp-NotebookPanel")
    notebook.locator("[data-status=busy]").first.wait_for(timeout=60_000)
    notebook.locator("[data-status=idle]").first.wait_for(timeout=240_000)
    assert not page.locator(".jp-Dialog").count()
    waiting = notebook.locator(".jp-CodeCell .jp-InputArea-prompt").filter(has_text="*")
    assert not waiting.count()
    for kind in ("error", "stderr"):
        assert not notebook.locator(f"[data-mime-type$='jupyter.{kind}']").count()
    cells = notebook.locator(".jp-CodeCell").filter(has_text="plot_confusion_matrix(")
    matrix = cells.locator(".jp-OutputArea-output img").first
    matrix.scroll_into_view_if_needed()
    assert matrix.evaluate("picture => picture.naturalWidth") > 500
    matrix.screenshot(path=SCREENSHOTS / "lab-02.png")
    page.close()
