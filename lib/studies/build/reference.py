"""The reference of the library: its pages, and the extension of Sphinx that makes the links.

A page holds the mark ``<!-- library: toy.room -->``; for it stand all modules of that package, or
that module, with the docstrings of what is public.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

MARK = re.compile(r"<!-- library: (?P<names>[\w., ]+) -->")
STATEMENTS = "statements.json"  # in the folder of the sources: function → labels of statements
_ALIAS = re.compile(r"^([A-Z][a-z]\w*)(?:: \w+)? = ", re.MULTILINE)
_CLASS = re.compile(r"^ *class (\w+)", re.MULTILINE)
_CODE = re.compile(r"([A-Za-z_][\w.]*)(\(.*\))?")


def modules_of(lib: Path, name: str) -> Iterator[tuple[str, bool]]:
    """A module, or all of a package that have docstrings: name, and whether it is a module."""
    folder = lib.joinpath(*name.split("."))
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    for path in files:
        parts = path.relative_to(lib).with_suffix("").parts
        package = parts[-1] == "__init__"
        if ast.get_docstring(ast.parse(path.read_text(encoding="utf8"))):
            yield ".".join(parts[:-1] if package else parts), not package


def with_modules(text: str, lib: Path) -> str:
    """A page's text with a section for each module where it asks for them."""

    def sections(found: re.Match[str]) -> str:
        names = [name.strip() for name in found["names"].split(",")]
        modules = [module for name in names for module in modules_of(lib, name)]
        return "\n".join(
            # The package itself has the page's title.
            f"## {name.partition('.')[2] or name}\n\n" * (defines or name not in names)
            + f"```{{eval-rst}}\n.. automodule:: {name}\n"
            + "   :members:\n   :ignore-module-all:\n" * defines
            + "```\n"
            for name, defines in modules
        )

    return MARK.sub(sections, text)


def home_of(name: str, module: str | None) -> str | None:
    """Where what ``module`` calls ``name`` is defined; empty for a value, None if there is none."""
    for full in (f"{module}.{name}" if module else name, name):
        parts = full.split(".")
        for cut in range(len(parts), 0, -1):
            try:
                thing: Any = importlib.import_module(".".join(parts[:cut]))
            except ImportError:
                continue
            try:
                for part in parts[cut:]:
                    thing = getattr(thing, part)
            except AttributeError:
                break
            place = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
            return ".".join(place) if all(isinstance(p, str) for p in place) else ""  # type: ignore[arg-type]
    return None


def _resolve(
    app: Sphinx, env: Any, node: pending_xref, text: nodes.TextElement
) -> nodes.Element | None:
    """Link a name to where it is defined; foreign names become text, unknown ones a warning."""
    if node.get("refdomain") != "py":
        return None
    module = node.get("py:module")
    home = home_of(node["reftarget"], module)
    if home is None and node.get("py:class"):
        home = home_of(f"{node['py:class']}.{node['reftarget']}", module)
    if home is None:
        return None
    objects = env.get_domain("py").objects
    for name in (home, f"{module}.{node['reftarget']}", node["reftarget"]):
        if name in objects:
            place = objects[name]
            return make_refnode(
                app.builder, node["refdoc"], place.docname, place.node_id, text, name
            )
    return text


def _say_who_uses(
    app: Sphinx, what: str, name: str, _thing: Any, _options: Any, lines: list[str]
) -> None:
    """Below a docstring: the statements whose claims compute with it."""
    labels = _users(str(app.srcdir)).get(name, [])
    if labels and what != "module":
        refs = ", ".join(f":prf:ref:`{label}`" for label in labels)
        lines += ["", f"*Computed with it:* {refs}.", ""]


@cache
def _users(source: str) -> Mapping[str, Sequence[str]]:
    """Labels of statements by the function's home, from what the builder of the book left."""
    path, found = Path(source) / STATEMENTS, dict[str, dict[str, None]]()
    given = json.loads(path.read_text(encoding="utf8")) if path.is_file() else {}
    for name, labels in given.items():
        found.setdefault(home_of(name, None) or name, {}).update(dict.fromkeys(labels))
    return {name: list(labels) for name, labels in found.items()}


def _link_code(app: Sphinx, tree: nodes.document, docname: str) -> None:
    """Code that is a name of the library links to it; in the notation shorter names do too."""
    objects = app.env.get_domain("py").objects  # type: ignore[attr-defined]
    if not objects:
        return
    known: dict[str, list[str]] = {}
    for full in objects:
        parts = full.split(".")
        for start in range(len(parts)):
            known.setdefault(".".join(parts[start:]), []).append(full)
    before: tuple[Any, str] = (None, "")  # where the last link stands, and what it links to
    for literal in list(tree.findall(nodes.literal)):
        found, parent = _CODE.fullmatch(literal.astext()), literal.parent
        if found is None or isinstance(parent, nodes.reference | nodes.title):
            continue
        name = found.group(1)
        if "." in name:
            homes = known.get(name) or _owner(name, known)
        elif not docname.endswith("notation"):
            continue
        elif name[0].isupper():
            homes = known.get(name, [])
        else:  # a function beside another of its module
            homes = [f"{before[1].rpartition('.')[0]}.{name}"] if before[0] is parent else []
        if len(homes) == 1 and homes[0] in objects and objects[homes[0]].objtype != "module":
            home, place = homes[0], objects[homes[0]]
            given = (app.builder, docname, place.docname, place.node_id)
            literal.replace_self(make_refnode(*given, literal.deepcopy(), home))
            before = (parent, home)


def _owner(name: str, known: Mapping[str, list[str]]) -> list[str]:
    """The class of an attribute that has no entry of its own."""
    owner = name.rpartition(".")[0]
    return known.get(owner, []) if owner.rpartition(".")[2][:1].isupper() else []


def _keep_aliases(_app: Sphinx, config: Any) -> None:
    """Names of types stay names in signatures: ``Share``, not the five types that it stands for."""
    lib = Path(__file__).parents[2]
    text = "\n".join(path.read_text(encoding="utf8") for path in lib.rglob("*.py"))
    names = set(_ALIAS.findall(text)) - set(_CLASS.findall(text)) | {"ArrayLike", "NDArray"}
    config.autodoc_type_aliases = {name: name for name in sorted(names)}


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("config-inited", _keep_aliases)
    app.connect("missing-reference", _resolve)
    app.connect("autodoc-process-docstring", _say_who_uses)
    app.connect("doctree-resolved", _link_code)
    app.set_html_assets_policy("always")  # raw HTML holds formulas that Sphinx does not see
    return {"parallel_read_safe": True, "parallel_write_safe": True}
