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
        elif (ROOT / path).suffix == ".py" and path.startswith("cifar_utils/"):
            room = path.split("/")[1].removesuffix(".py")
            new = f"{up}reference/{room}.md"
        elif path.removeprefix("cifar_utils/") in WINGS:
            new = f"{up}reference/{path.removeprefix('cifar_utils/')}.md"
        else:
            kind = "tree" if (ROOT / path).is_dir() else "blob"
            new = f"{REPOSITORY}/{kind}/main/{path}"
        return f"{match[1]}{new}{hash_}{anchor}{match[3]}"

    return LINK.sub(link, text)


def gather() -> None:
    """Put all pages into an empty folder."""
    shutil.rmtree(PAGES, ignore_errors=True)
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
        "Package": ["cifar_utils/README", *(f"reference/{room}" for room in [*rooms, *WINGS])],
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
    """What a page links to, shows and can be linked to."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.pictures, self.ids, self.path = [], [], set(), path
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids.add(found.get("id") or found.get("name"))
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
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
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                found.append(f"{name} links to {link}, which is not there")
            elif parts.fragment and target in pages and parts.fragment not in pages[target].ids:
                found.append(f"{name} links to {link}, whose place is not there")
    where = REPOSITORY.replace("https://", "https://colab.research.google.com/").replace(
        "github.com", "github"
    )
    for notebook in notebooks():
        page = pages[SITE / f"{notebook}.html"]
        if f"{where}/blob/main/{notebook}.ipynb" not in page.links:
            found.append(f"{notebook} has no button for Colab")
        if not page.pictures:
            found.append(f"{notebook} shows none of its outputs")
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
