"""A toy book: small enough to build in seconds, with one of everything that the machinery meets."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat

from studies.build.book import plan
from studies.build.project import Project
from studies.build.runner import Job
from studies.build.runs import Run, prepared_notebook, write_run
from studies.page import below, claim, claims

REPOSITORY = Path(__file__).parents[2]
FRONT = """\
---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""

# Theorems, formulas of every kind, a figure, claims, published numbers, citations, links.
ALPHA = (
    FRONT
    + r"""(alpha)=
# The first chapter

We cite {cite:t}`someone2024` and point to {ref}`beta`.

```{code-cell} ipython3
:tags: [parameters]
from studies.page import need
from studies.page.types import PositiveInt, Probability, Seeds

p: Probability = 0.3  # chance that a weight is kept
draws: PositiveInt = 4  # draws – per seed
seeds: Seeds = [0, 1,
                2]  # seeds of the draws

need(draws <= 10 * len(seeds), "at most ten draws a seed")
```

```{code-cell} ipython3
:tags: [hide-input]
from toy import draw
from toy.picture import picture

from studies.page import below, claim, claims, exactly, publish
```

```{prf:theorem} Shrinking $\ell_2$ (Theorem 1 of Someone, as printed)
:label: thm-toy
For $0 < p < 1$ we have $\ell_2 \le \frac{1}{2}$.
```

$$
W_1 = \frac{1}{2}
$$ (eq-toy)

See {eq}`eq-toy` and {prf:ref}`thm-toy`.

\begin{align}
a &= b \\
c &= d
\end{align}

```{code-cell} ipython3
estimates = draw.estimates(p, draws, seeds)
publish("toy-mean", estimates.value)
claims("thm-toy", claim("decay", estimates, below(2), "Δ falls, a < b & c"),
       kind="inequality", over="draws", because="the theorem")
```

```{code-cell} ipython3
:mystnb: {figure: {name: fig-toy, caption: "A dot, $\\ell_2$."}, image: {alt: a single dot}}
picture()
```

We measured {glue:text}`toy-mean:.2f`, see {numref}`fig-toy`.
"""
)

# Reaches into the library by other ways of importing.
BETA = (
    FRONT
    + """(beta)=
# The second chapter

```{code-cell} ipython3
:tags: [parameters]
from studies.page.types import Probability

share: Probability = 0.5  # share removed
```

```{prf:proposition} Counting (ours)
:label: prop-count
There are three.
```

```{code-cell} ipython3
import toy.late

from studies.page import claim, claims, exactly
from toy import estimate

claims("prop-count",
       claim("three", estimate.exact(toy.late.three()), exactly(3), "the count is exact"),
       kind="identity", over="counts", because="three is three")
```
"""
)

MODULES = {
    "__init__": "",
    "draw": """
        '''Draws, as :func:`estimates` makes them.'''
        import random
        from .estimate import Estimate

        def estimates(p, draws, seeds) -> Estimate:
            r'''Estimate :math:`\\frac{1}{2}`; see :class:`random.Random`, :func:`~.exact`.'''
            values = [p + random.Random(seed).random() for seed in seeds for _ in range(draws)]
            return Estimate(sum(values) / len(values), min(values), max(values), len(values), 0.95)
        """,
    "estimate": """
        '''Estimates.'''
        from dataclasses import dataclass

        @dataclass
        class Estimate:
            value: float
            low: float
            high: float
            n: int
            level: float | None = None

        def exact(count):
            '''Return a count.'''
            return Estimate(count, count, count, 1)
        """,
    "picture": """
        import base64
        from IPython.display import Image

        DOT = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAA"
               "SUVORK5CYII=")

        def picture():
            return Image(base64.b64decode(DOT))
        """,
    "late": """
        def three():
            from toy.inner.count import THREE
            return THREE
        """,
    "inner/__init__": "",
    "inner/count": "from ..unit import ONE\nTHREE = 3 * ONE\n",
    "unit": "ONE = 1\n",
    "unused": "NOTHING = 0\n",
}

PAGES = {
    "intro": "# A toy book\n\nIt has {doc}`two <part/alpha>` chapters.\n",
    "ledger": "# Ledger\n\n<!-- ledger -->\n",
    "status": "# Status\n\n<!-- status -->\n",
    "theorems": "# Map\n\n<!-- theorems -->\n",
    "library/toy": "# Toy\n\nSee `draw.estimates`.\n\n<!-- library: toy -->\n",
    "references": "# References\n\n```{bibliography}\n```\n",
    "part/alpha": ALPHA,
    "part/beta": BETA,
}

TOC = """\
format: jb-book
root: book/intro
parts:
  - caption: Part
    numbered: true
    chapters:
      - file: book/part/alpha
      - file: book/part/beta
  - caption: End
    chapters:
      - file: book/theorems
      - file: book/library/toy
      - file: book/ledger
      - file: book/status
      - file: book/references
"""

PROFILES = """\
smoke:
  part/alpha: {draws: 2}
book:
paper:
  part/alpha:
    draws: 8
  part/beta:
"""

BIBLIOGRAPHY = """\
@article{someone2024, author = {Some One}, title = {A title}, journal = {A journal}, year = {2024}}
"""


def write_toy(root: Path) -> Path:
    """Write the toy book, with this repository's configuration, below ``root``."""
    shutil.copy(REPOSITORY / "_config.yml", root)
    shutil.copytree(REPOSITORY / "book" / "_static", root / "book" / "_static")
    files = {f"book/{name}.md": text for name, text in PAGES.items()}
    files |= {f"lib/toy/{name}.py": textwrap.dedent(text) for name, text in MODULES.items()}
    files |= {
        "_toc.yml": TOC,
        "book/profiles.yml": PROFILES,
        "book/references.bib": BIBLIOGRAPHY,
        "requirements.lock": "ipykernel==2\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf8")
    return root


def chapter(*cells: str, title: str = "A chapter", parameters: str = "") -> str:
    """A chapter's source with these code cells."""
    blocks = [f"```{{code-cell}} ipython3\n:tags: [parameters]\n{parameters}\n```"]
    blocks += [f"```{{code-cell}} ipython3\n{cell}\n```" for cell in cells]
    return FRONT + f"# {title}\n\n" + "\n\n".join(blocks) + "\n"


def edit(path: Path, old: str, new: str) -> None:
    """Replace ``old``, which must be there, by ``new``."""
    text = path.read_text(encoding="utf8")
    assert old in text, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf8")


def tree(root: Path) -> dict[str, bytes]:
    """Every file below ``root`` with its content."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def measured(low: float, value: float, high: float, n: float = 5, **more: Any) -> SimpleNamespace:
    """What a claim asks of a measurement."""
    return SimpleNamespace(value=value, low=low, high=high, n=n, **more)


def run_of(*claims: dict[str, Any]) -> Run:
    """A run with these claims, of which nothing lies on the disk."""
    note = {
        **{"claims": list(claims), "seconds": 1.6, "date": "2026-01-01", "commit": ""},
        **{"machine": "M <1>", "versions": {"numpy": "2"}, "parameters": {"p": 0.3}},
        **{"fingerprint": "f", "parts": {"chapter code": "c"}},
    }
    return Run(Path("none"), nbformat.v4.new_notebook(), note)


def pretend_to_run(project: Project, job: Job) -> Run:
    """What a run of the job would leave, made without a kernel."""
    row = claim("decay", measured(0.5, 1, 1.5), below(2), "it falls", because="the theorem")
    group = claims("thm-toy", row, kind="inequality", over="draws")
    notebook = prepared_notebook(job.chapter, job.values)
    output = nbformat.v4.new_output("execute_result", data=group._repr_mimebundle_())
    next(c for c in reversed(notebook.cells) if c.cell_type == "code").outputs = [output]
    known = {
        **{"parameters": dict(job.values), "profile": job.profile, "seconds": 1.0},
        **{"claims": [made.as_json() for made in group.rows], "results": {}},
    }
    return write_run(project, job.chapter, job.target, notebook, known, job.parts)


def pretend_to_build(project: Project) -> None:
    """What a build would leave, made without a kernel or the renderer."""
    for job in plan(project, "book"):
        pretend_to_run(project, job)
    (project.build / ".lock").touch()
    (project.build / "html").mkdir()
    (project.build / "html" / "index.html").write_text("the last good book")


def command(*arguments: str, renders: bool = True) -> list[str]:
    """The command line ``studies`` in this environment; it may render in name only."""
    program = [str(Path(sys.executable).with_name("studies"))]
    pretend = (
        "from studies import cli\n"
        "from studies.build import book\n"
        "book.render = lambda project, *_: project.build / 'html' / 'index.html'\n"
        "cli.main()"
    )
    return [*(program if renders else [sys.executable, "-c", pretend]), *arguments]


def studies(root: Path, *arguments: str, renders: bool = True) -> subprocess.CompletedProcess[str]:
    """Run ``studies`` in a process of its own."""
    return subprocess.run(
        command(*arguments, renders=renders), cwd=root, capture_output=True, text=True
    )
