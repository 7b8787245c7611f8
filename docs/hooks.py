"""Pages of the documentation site that are not files of `docs/`.

Files in the root of the repository (CONTRIBUTING.md and others) keep their place, where people look
for them, and appear in the site under the same path. Every package gets an API page from its
docstrings. The page of the demo's committed records is written when the site is built.
"""

import posixpath
import re
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from stablebert.report.everything import read_collections
from stablebert.report.page.write import page_html

ROOT = Path(__file__).parents[1]
DEMO_PAGE = "report.html"
"""The page of the demo's records."""
LINKING = ("demo.md", "gallery.md")
"""Pages that link to it in the site; on GitHub it does not exist."""
SHARED = ("CONTRIBUTING.md", "CHANGELOG.md", "results/bench/README.md")
"""Pages outside docs/, by their path in the repository."""
LINK = re.compile(r"\[([^\]]+)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add a navigation entry for the API page of every package."""
    pages = [{name: f"api/{name}.md"} for name in _packages()]
    config.nav = [*(config.nav or []), {"API": pages}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the API pages and the pages outside docs/."""
    for name, modules in _packages().items():
        directives = "\n\n".join(f"::: {module}" for module in modules)
        content = f"# {name}\n\n{directives}\n"
        files.append(File.generated(config, f"api/{name}.md", content=content))
    for path in SHARED:
        files.append(File.generated(config, path, content=(ROOT / path).read_text("utf-8")))
    files.append(File.generated(config, DEMO_PAGE, content=_demo_page()))
    return files


def _demo_page() -> str:
    """Return the page of the demo's committed records."""
    with TemporaryDirectory() as empty, chdir(empty):  # without the runs of a working copy
        collection, *_ = read_collections(["scale=demo"], [ROOT / "results"])
    return page_html(collection, commands=["stablebert report all scale=demo"])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links between pages to their place in the site; turn links to code into plain text."""
    uri = page.file.src_uri
    if uri.startswith("api/"):
        return markdown
    if uri in LINKING:
        link = f"\n\n[Open the page of the demo's records]({DEMO_PAGE})\n"
        markdown = markdown.replace("\n", link, 1)
    origin = uri if uri in SHARED else f"docs/{uri}"

    def in_site(match: re.Match[str]) -> str:
        text, link, anchor = match.groups()
        if link == DEMO_PAGE:
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))
        is_page = target.startswith("docs/") and target.endswith((".md", ".png", ".svg"))
        if target not in SHARED and not is_page:
            return text
        there = posixpath.relpath(target.removeprefix("docs/"), posixpath.dirname(uri) or ".")
        return f"[{text}]({there}{anchor or ''})"

    return LINK.sub(in_site, markdown)


class ExampleSections(griffe.Extension):
    """Reads `Example:` in a docstring as `Examples:`, the only title that griffe takes for code."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Rename the section in every docstring of a package."""
        self._rename(pkg)

    def _rename(self, obj: griffe.Object) -> None:
        if obj.docstring:
            text = obj.docstring.value
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
        for member in obj.members.values():
            if isinstance(member, griffe.Object):  # not an alias
                self._rename(member)


def _packages() -> dict[str, list[str]]:
    """Return the public modules of each package, and those of the top level under `stablebert`."""
    packages: dict[str, list[str]] = {}
    for path in sorted((ROOT / "stablebert").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if any(part.startswith("_") and part != "__init__" for part in parts):
            continue
        module = ".".join(part for part in parts if part != "__init__")
        package = ".".join(parts[:2]) if len(parts) > 2 else "stablebert"
        packages.setdefault(package, []).append(module)
    return packages
