"""Where things are: which room imports which, and how large a room and its parts may become."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

LIB = Path(__file__).parents[1] / "lib"
# A room imports from its own floor and from those before it.
FLOORS = (
    ("checks", "dice", "estimates", "metrics"),
    ("data", "models"),
    ("training", "noise"),
    ("pruning", "spectrum"),
    ("bounds",),
    ("audit",),
    ("experiments",),
    ("figures",),
    ("__main__",),
)
DIRECTIONS = " <- ".join(", ".join(floor) for floor in FLOORS)
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
# What only the book needs: the science runs without it.
NOTEBOOKS = {
    *("IPython", "ipykernel", "jupyter_book", "jupytext", "matplotlib_inline", "myst_nb"),
    *("nbclient", "nbformat", "papermill", "sphinx", "studies"),
}
# Four papers and what holds them together (10k), and the audit of a reader's own checkpoint (1.9k);
# what executes, checks and renders their pages, sweeps them (1k), draws map and reference (.8k).
LINES = {"compressibility": 11900, "studies": 5750}
# More is a missing concept; a function that takes more is missing a value.
MODULE_LINES = {"compressibility": 260, "studies": 275}
ARGUMENTS = 7


def modules(package: str) -> list[Path]:
    """The files of a package."""
    return sorted((LIB / package).rglob("*.py"))


def name_of(path: Path) -> str:
    """``lib/compressibility/data/sets.py`` → ``compressibility.data.sets``."""
    parts = path.relative_to(LIB).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf8"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of all that a module imports, wherever in it the import stands."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def room_of(name: str) -> str | None:
    """The room of a module of the library; None of others and of the library as such."""
    package, _, rest = name.partition(".")
    return rest.partition(".")[0] or None if package == "compressibility" else None


def test_each_module_lies_in_a_room() -> None:
    """A file beside the rooms, whose imports no arrow describes."""
    found = {room for path in modules("compressibility") if (room := room_of(name_of(path)))}
    assert found <= set(FLOOR), f"no such room: {found - set(FLOOR)}; the rooms: {DIRECTIONS}"
    assert {"checks", "models", "pruning", "bounds", "figures"} <= found


def test_imports_run_one_way() -> None:
    """A room that reaches up, so that none of the two can be understood alone."""
    against = [
        f"lib/{path.relative_to(LIB)}:{line} imports {target}"
        for path in modules("compressibility")
        for line, target in imports(path)
        if (room := room_of(name_of(path))) and (other := room_of(target))
        if FLOOR.get(other, -1) > FLOOR[room]
    ]
    assert not against, f"imports run only this way: {DIRECTIONS}\n" + "\n".join(against)


@pytest.mark.parametrize("package", ["compressibility", "studies"])
def test_no_circles(package: str) -> None:
    """Two modules of one floor that import each other, and work in one order only."""
    names = {name_of(path) for path in modules(package)}
    graph: dict[str, set[str]] = {name: set() for name in names}
    for path in modules(package):
        for _, target in imports(path):
            found = target if target in names else target.rpartition(".")[0]
            # Its own package runs before a module anyway; it may hold no imports of its own.
            graph[name_of(path)] |= {found} & names - {name_of(path)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("a circle of imports: " + " <- ".join(error.args[1]))


def test_science_and_machinery_do_not_know_each_other() -> None:
    """A library that needs the notebook's packages; a machinery for this science alone."""
    science = {
        f"{name_of(path)} imports {target}"
        for path in modules("compressibility")
        for _, target in imports(path)
        if target.partition(".")[0] in NOTEBOOKS
    }
    machinery = {
        f"{name_of(path)} imports {target}"
        for path in modules("studies")
        for _, target in imports(path)
        if target.partition(".")[0] == "compressibility"
    }
    assert science | machinery == set()


def test_rooms_hold_no_code_of_their_own() -> None:
    """A page made stale by all modules of a room, of which it imports one."""
    for path in modules("compressibility"):
        if path.name != "__init__.py" or path.parent.parent.name == "bounds":
            continue
        body = tree_of(path).body
        assert all(isinstance(node, ast.Expr) for node in body), f"{path}: only a docstring"
        assert len(body) == 1, f"{path}: one docstring"


def signatures(path: Path) -> Iterator[tuple[str, int]]:
    """The public functions and methods of a module, with their numbers of arguments."""
    for node in tree_of(path).body:
        inside = isinstance(node, ast.ClassDef)
        for function in node.body if isinstance(node, ast.ClassDef) else [node]:
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            name = f"{node.name}.{function.name}" if isinstance(node, ast.ClassDef) else node.name
            names = (node.name, function.name)
            if any(part.startswith("_") and not part.endswith("__") for part in names):
                continue
            taken = function.args
            every = [*taken.posonlyargs, *taken.args, *taken.kwonlyargs, taken.vararg, taken.kwarg]
            static = any(ast.unparse(d) == "staticmethod" for d in function.decorator_list)
            yield name, sum(arg is not None for arg in every) - (inside and not static)


@pytest.mark.parametrize("package", LINES)
def test_the_library_stays_small(package: str) -> None:
    """Lines that come back: a twin, a function of sixteen arguments, a module of everything."""
    files = modules(package)
    lengths = {name_of(path): len(path.read_text(encoding="utf8").splitlines()) for path in files}
    taken = {f"{name_of(path)}.{name}": n for path in files for name, n in signatures(path)}
    too_long = {f"{name}: {n} lines" for name, n in lengths.items() if n > MODULE_LINES[package]}
    too_many = {f"{name}: {n} arguments" for name, n in taken.items() if n > ARGUMENTS}
    assert too_long | too_many == set()
    assert sum(lengths.values()) <= LINES[package]
    assert taken
