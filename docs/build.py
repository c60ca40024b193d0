"""Make the book: ``make site``.

Notebooks, guides and results are gathered where Sphinx finds them, as they lie in the
repository; links to what the book has not lead to the repository. The reference is made of the
docstrings. Whatever is wrong, a warning, a link to nowhere, a picture without words, ends it
with an error.
"""

import re
import shutil
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from posixpath import normpath
from urllib.parse import unquote, urlsplit

import nbformat
from sphinx.cmd.build import main as sphinx

from cifar_utils.notebook import choose_kernels, quiet_stderr

ROOT = Path(__file__).resolve().parents[1]
PAGES, SITE = ROOT / "build" / "book", ROOT / "build" / "site"
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "urls"
]["Repository"]
GUIDES = ["results/README.md", "cifar_utils/README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
COLAB = REPOSITORY.replace("://github.com/", "://colab.research.google.com/github/") + "/blob/main"
IN_REPOSITORY = re.compile(re.escape(REPOSITORY) + r"/(?:blob|tree)/main/([^#?]+)")
WINGS = ("fast", "dataset", "experiments")
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
CONTENTS = """
```{{toctree}}
:hidden:
:caption: {caption}

{pages}
```
"""


def modules(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def notebooks(where: str = "notebooks") -> list[str]:
    return sorted(f"{where}/{path.stem}" for path in (ROOT / where).glob("[0-9]*.ipynb"))


def mended(text: str, page: str) -> str:
    """A page's text, whose links lead to other pages of the book or else to the repository."""
    folder = page.rpartition("/")[0]

    def link(match: re.Match) -> str:
        target, hash_, anchor = match[2].partition("#")
        if not target or urlsplit(target).scheme:
            return match[0]
        path = normpath(f"{folder}/{target}" if folder else target)
        up = "../" * page.count("/")
        if path == "README.md":
            new = f"{up}index.md"
        elif path in GUIDES or path.startswith("figures/") or path.endswith(".ipynb"):
            return match[0]
        elif path == "notebooks/solutions":
            new = f"{up}{notebooks(path)[0]}.ipynb"
        elif (ROOT / path).suffix == ".py" and path.startswith("cifar_utils/"):
            room, *part = path.removesuffix(".py").split("/")[1:]
            new = f"{up}reference/{room}.md"
            hash_, anchor = ("#", part[0]) if part else (hash_, anchor)
        elif path.removeprefix("cifar_utils/") in WINGS:
            new = f"{up}reference/{path.removeprefix('cifar_utils/')}.md"
        else:
            kind = "tree" if (ROOT / path).is_dir() else "blob"
            new = f"{REPOSITORY}/{kind}/main/{path}"
        return f"{match[1]}{new}{hash_}{anchor}{match[3]}"

    return LINK.sub(link, text)


def gather() -> None:
    """Put all pages into an empty folder."""
    for folder in (PAGES, ROOT / "build" / "jupyter_execute"):  # myst-nb adds to the second
        shutil.rmtree(folder, ignore_errors=True)
    (PAGES / "reference").mkdir(parents=True)
    shutil.copytree(ROOT / "figures", PAGES / "figures")
    for page in GUIDES:
        write(page, (ROOT / page).read_text(encoding="utf-8"))
    for name in notebooks() + notebooks("notebooks/solutions"):
        gather_notebook(f"{name}.ipynb")
    rooms = modules(ROOT / "cifar_utils")
    for room in rooms:
        write(f"reference/{room}.md", f"# `{room}`\n\n" + reference(f"cifar_utils.{room}"))
    for wing in WINGS:
        parts = [f"cifar_utils.{wing}.{name}" for name in modules(ROOT / "cifar_utils" / wing)]
        sections = [f"## `{part.split('.')[-1]}`\n\n{reference(part)}" for part in parts]
        write(f"reference/{wing}.md", f"# `{wing}`\n\n" + "\n".join(sections))
    contents = {
        "Notebooks": notebooks(),
        "Solutions": notebooks("notebooks/solutions"),
        "Results": ["results/README"],
        "Reference": ["cifar_utils/README", *(f"reference/{room}" for room in [*rooms, *WINGS])],
        "Project": ["CONTRIBUTING", "CHANGELOG"],
    }
    front = (ROOT / "README.md").read_text(encoding="utf-8")
    for caption, pages in contents.items():
        front += CONTENTS.format(caption=caption, pages="\n".join(pages))
    write("index.md", front)


def write(page: str, text: str) -> None:
    path = PAGES / page
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(mended(text, page), encoding="utf-8")


def reference(module: str) -> str:
    return f"```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n```\n"


def gather_notebook(page: str) -> None:
    """A notebook with mended links; its pictures get their words and the width meant for them."""
    notebook = nbformat.read(ROOT / page, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = mended(cell.source, page)
        shown = {"alt": cell.metadata.get("alt", "a picture")}
        for output in cell.get("outputs", []):
            sizes = output.get("metadata", {}).get("image/png", {})
            if "width" in sizes:
                shown["width"] = f"{sizes['width']}px"
        cell.metadata["mystnb"] = {"image": shown}
    (PAGES / page).parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, PAGES / page)


class Page(HTMLParser):
    """What a page links to, shows and can be linked to; the theme's buttons are kept apart."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.buttons, self.pictures, self.ids = [], [], [], set()
        self.outputs = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        kinds = (found.get("class") or "").split()
        self.outputs += "cell_output" in kinds
        self.ids.add(found.get("id") or found.get("name"))
        if tag == "a" and found.get("href"):
            (self.buttons if "btn" in kinds else self.links).append(found["href"])
        if tag == "img":
            self.pictures.append((found.get("src", ""), found.get("alt") or ""))


def faults() -> list[str]:
    """What is wrong with the pages that were made."""
    pages = {path: Page(path) for path in SITE.rglob("*.html")}
    found = []
    for path, page in pages.items():
        name = path.relative_to(SITE)
        for source, words in page.pictures:
            if not urlsplit(source).scheme and not (path.parent / unquote(source)).exists():
                found.append(f"{name} shows {source}, which is not there")
            if "_images" in source and len(words) < 10:
                found.append(f"{name} shows {source} without words")
        for link in page.links + page.buttons:
            in_repository = IN_REPOSITORY.match(link)
            if in_repository and not (ROOT / unquote(in_repository[1])).exists():
                found.append(f"{name} links to {link}, which the repository has not")
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                found.append(f"{name} links to {link}, which is not there")
            elif parts.fragment and target in pages and parts.fragment not in pages[target].ids:
                found.append(f"{name} links to {link}, whose place is not there")
    for notebook in notebooks() + notebooks("notebooks/solutions"):
        page = pages.get(SITE / f"{notebook}.html")
        if page is None:
            found.append(f"{notebook} has no page")
            continue
        if f"{COLAB}/{notebook}.ipynb" not in page.buttons:
            found.append(f"{notebook} has no button for Colab")
        cells = nbformat.read(ROOT / f"{notebook}.ipynb", as_version=4).cells
        outputs = [cell.outputs for cell in cells if cell.get("outputs")]
        drawn = sum("image/png" in one.get("data", {}) for some in outputs for one in some)
        shown = sum("_images" in source for source, _ in page.pictures)
        if page.outputs != len(outputs) or shown < drawn:
            found.append(
                f"{notebook} shows {page.outputs} outputs and {shown} pictures, "
                f"not {len(outputs)} and {drawn}"
            )
    if not (SITE / "searchindex.js").exists():
        found.append("there is no search")
    return found


def main() -> int:
    choose_kernels()
    with quiet_stderr():  # TensorFlow greets
        import cifar_utils.training  # noqa: F401
    gather()
    shutil.rmtree(SITE, ignore_errors=True)
    options = [
        "-W",
        "--keep-going",
        "-E",
        "-q",
        "-c",
        str(ROOT / "docs"),
        "-d",
        str(PAGES) + "-made",
    ]
    if failed := sphinx([*options, str(PAGES), str(SITE)]):
        return failed
    # Sphinx knows nothing of pictures that a page shows by HTML.
    shutil.copytree(ROOT / "figures", SITE / "figures", dirs_exist_ok=True)
    if found := faults():
        print(*found, sep="\n", file=sys.stderr)
        return 1
    print(f"The book is in {(SITE / 'index.html').relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
