"""Where things are: the project's root, its table of contents, its chapters."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml
from IPython.core.inputtransformer2 import TransformerManager

from studies.build.parameters import Parameters, read_parameters
from studies.errors import ChapterError, StudiesError, did_you_mean, one_line
from studies.page.results import find_root

# Which paper's statement it is, and how it stands to it.
_ORIGIN = re.compile(r"ours|after .+|.+, (as printed|repaired|sharper|reconstructed)")
# A statement, or something folded, with its options and its text.
_BLOCK = re.compile(
    r"^(?P<fence>[`:]{3,})\{(?:prf:(?P<kind>theorem|proposition|lemma|corollary|definition|algorithm"
    r"|observation)|dropdown)\}[ \t]*(?P<title>.*)\n(?P<text>(?:.*\n)*?)(?P=fence)[ \t]*$",
    re.MULTILINE,
)
_LABEL = re.compile(r"(?:[ \t]*:(?!label:).*\n)*[ \t]*:label:[ \t]*(\S+)")
_PROOF = re.compile(r"Proof|Why")  # how the title of a folded proof begins
_USED = re.compile(r"\{prf:ref\}`(?:[^`<]*<)?([^`<>]+)>?`")


@dataclass(frozen=True)
class Statement:
    """A theorem, a definition, …: what its block says of itself."""

    kind: str  # theorem, proposition, …
    title: str  # with the parenthesis that says where it comes from
    origin: str | None  # (Theorem 2 of El Cheairi et al., repaired), without the parentheses
    proved: bool = False  # a proof is folded below it
    uses: tuple[str, ...] = ()  # labels of the statements that it or its proof refers to


@dataclass(frozen=True)
class Chapter:
    """One text notebook of the book."""

    name: str  # its path below book/, without suffix
    path: Path
    notebook: nbformat.NotebookNode = field(repr=False, compare=False)  # no outputs; fixed ids

    @classmethod
    def read(cls, book: Path, name: str) -> Chapter:
        """Read ``book/name.md``; cells get fixed ids, so that repeated runs are byte-identical."""
        path = book / f"{name}.md"
        try:
            notebook: nbformat.NotebookNode = jupytext.read(path)
        except yaml.YAMLError as error:
            raise ChapterError(f"{name} cannot be read: {one_line(error)}") from None
        for index, cell in enumerate(notebook.cells):
            cell["id"] = f"c{index:03d}"
        return cls(name, path, notebook)

    @property
    def title(self) -> str:
        """The first heading."""
        text = "\n".join(c.source for c in self.notebook.cells if c.cell_type == "markdown")
        heading = re.search(r"^# (.+)$", text, flags=re.MULTILINE)
        if heading is None:
            raise ChapterError(f"{self.name}: need a first line `# Title`")
        return heading.group(1).strip()

    @property
    def parameters_index(self) -> int:
        """Index of the first code cell, which must be tagged ``parameters``."""
        for index, cell in enumerate(self.notebook.cells):
            if cell.cell_type == "code":
                if "parameters" in cell.metadata.get("tags", []):
                    return index
                break
        raise ChapterError(f"{self.name}: the first code cell must be tagged `parameters`")

    @property
    def parameters_source(self) -> str:
        """The text of the parameters cell."""
        return str(self.notebook.cells[self.parameters_index].source)

    @cached_property
    def parameters(self) -> Parameters:
        """The chapter's parameters, and the conditions between them."""
        try:
            return read_parameters(self.parameters_source)
        except (ChapterError, SyntaxError) as error:
            where = "parameters cell: " if isinstance(error, SyntaxError) else ""
            raise ChapterError(f"{self.name}: {where}{error}") from None

    @cached_property
    def statements(self) -> dict[str, Statement]:
        """The chapter's theorems, definitions, … by label; the checks refuse one without."""
        text = "\n".join(c.source for c in self.notebook.cells if c.cell_type == "markdown")
        found: dict[str, Statement] = {}
        label = None
        for block in _BLOCK.finditer(f"{text}\n"):
            kind, title, body = block["kind"], block["title"].strip(), block["text"]
            if kind:
                named, end = _LABEL.match(body), re.search(r"\(([^()]*)\)$", title)
                label = named.group(1) if named else ""
                origin = end.group(1) if end and _ORIGIN.fullmatch(end.group(1)) else None
                found[label] = Statement(kind, title, origin)
            elif label is None or not _PROOF.match(title):
                continue
            it = found[label]
            uses = dict.fromkeys([*it.uses, *_USED.findall(body)])
            uses.pop(label, None)
            found[label] = replace(it, proved=it.proved or not kind, uses=tuple(uses))
        return found

    @cached_property
    def code(self) -> list[tuple[int, ast.Module]]:
        """Index and syntax tree of each code cell; one that is no Python will fail when it runs."""
        trees = []
        for index, cell in enumerate(self.notebook.cells):
            if cell.cell_type != "code":
                continue
            # What %%time and its like run is Python too; other cell magics will not parse.
            source = re.sub(r"\A%%.*", "pass", cell.source)
            try:
                # IPython's magics and shell escapes become the Python that they stand for.
                python = TransformerManager().transform_cell(source)  # type: ignore[no-untyped-call]
                tree = ast.parse(python)
            except SyntaxError:
                continue
            trees.append((index, tree))
        return trees

    def line_of(self, cell: int, line: int = 1) -> int:
        """The line of the source file for ``line`` (from 1) of the cell with index ``cell``."""
        lines, start, end = self.path.read_text(encoding="utf8").split("\n"), 0, 0
        for source in (c.source.split("\n") for c in self.notebook.cells[: cell + 1]):
            # Whole lines: a cell as short as `x` also stands inside other words.
            places = range(end, len(lines) - len(source) + 1)
            start = next((i for i in places if lines[i : i + len(source)] == source), end)
            end = start + len(source)
        return start + line


@dataclass(frozen=True)
class Project:
    """A checkout of the book."""

    root: Path

    @classmethod
    def find(cls, start: Path) -> Project:
        """The project that ``start`` lies in: the nearest folder with `_toc.yml` and `book/`."""
        if root := find_root(start):
            return cls(root)
        raise StudiesError(
            f"no book here: need a folder with _toc.yml and book/, at or above {start}"
        )

    @property
    def book(self) -> Path:
        """The text notebooks and pages."""
        return self.root / "book"

    @property
    def lib(self) -> Path:
        """The source root of the packages."""
        return self.root / "lib"

    @property
    def build(self) -> Path:
        """Everything that is made, never edited."""
        return self.root / "_build"

    def toc_pages(self) -> list[str]:
        """Names of all pages below book/ in the order of `_toc.yml`."""
        pages = list(_files(self._toc()))
        for page in pages:
            if not page.startswith("book/"):
                raise StudiesError(f"_toc.yml: {page} is not below book/")
        return [page.removeprefix("book/") for page in pages]

    def parts(self) -> dict[str, str]:
        """The caption of the part that each page stands in, in the order of `_toc.yml`."""
        parts = self._toc().get("parts", [])
        pages = ((page, part.get("caption", "")) for part in parts for page in _files(part))
        return {page.removeprefix("book/"): caption for page, caption in pages}

    def _toc(self) -> Any:
        try:
            return yaml.safe_load((self.root / "_toc.yml").read_text(encoding="utf8"))
        except yaml.YAMLError as error:
            raise StudiesError(f"_toc.yml is no YAML: {one_line(error)}") from None

    def is_chapter(self, page: str) -> bool:
        """Whether a page is executed: its front matter names a kernel.

        A page with code cells that is not (no front matter is found behind a byte-order mark, say)
        is a ChapterError: it would be shown as it is, with no result.
        """
        path = self.book / f"{page}.md"
        if not path.is_file():
            return False
        try:
            text = path.read_text(encoding="utf8")
        except UnicodeDecodeError as error:
            raise ChapterError(f"{page} is not UTF-8: {error}") from None
        front = re.match(r"---\n(.*?)\n---\n", text, flags=re.DOTALL)
        try:
            found = bool(front and "kernelspec" in (yaml.safe_load(front.group(1)) or {}))
        except yaml.YAMLError as error:
            raise ChapterError(f"{page}: front matter is no YAML: {one_line(error)}") from None
        if not found and re.search(r"^\s*[`~:]{3,}\s*\{code-cell\}", text, re.MULTILINE):
            raise ChapterError(
                f"{page} has code cells, but is no chapter: need `---` alone on its first line, "
                "without a byte-order mark, and a kernelspec above the next `---`"
            )
        return found

    def chapter_names(self) -> list[str]:
        """Names of the chapters in the order of `_toc.yml`."""
        return [page for page in self.toc_pages() if self.is_chapter(page)]

    def chapter(self, name: str) -> Chapter:
        """Read one chapter; an unknown name lists the known ones."""
        names = self.chapter_names()
        name = name.removeprefix("book/").removesuffix(".md")
        if name not in names:
            hint, known = did_you_mean(name, names), ", ".join(names)
            raise StudiesError(f"no chapter {name}{hint}; the chapters are: {known}")
        return Chapter.read(self.book, name)

    def chapters(self) -> list[Chapter]:
        """All chapters."""
        return [Chapter.read(self.book, name) for name in self.chapter_names()]


def _files(node: Any) -> Iterator[str]:
    """What stands under ``root`` and ``file``, however deep."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [str(value)] if key in ("root", "file") else _files(value)
    elif isinstance(node, list):
        for item in node:
            yield from _files(item)
