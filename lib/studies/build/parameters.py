"""A chapter's parameters: read from its tagged cell, checked, and written back into it.

The cell holds typed assignments, one comment each::

    from studies.page import need
    from studies.page.types import Probability, Widths

    p: Probability = 0.3  # chance that a compressed weight is kept
    widths: Widths = [64, 128]  # neurons of the layer

    need(len(set(widths)) >= 2, "at least two different widths: a slope is fitted")

It is read as text (`ast`, `tokenize`), and of its conditions only harmless ones are
evaluated, so a wrong value is refused before a kernel starts.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from studies.errors import ChapterError, ParameterError, did_you_mean, short
from studies.page import need, types

# What a condition may call and be made of: no more than values between values.
FUNCTIONS = {f.__name__: f for f in (len, set, min, max, sorted, any, all, sum, abs)}
_HARMLESS = (
    *(ast.BoolOp, ast.boolop, ast.UnaryOp, ast.unaryop, ast.Compare, ast.cmpop, ast.Constant),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod),
    *(ast.Name, ast.expr_context, ast.Call, ast.Subscript, ast.List, ast.Tuple, ast.Set),
    *(ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.comprehension, ast.IfExp),
)
_WORD = re.compile(r"(?<![\w.+-])[A-Za-z_][\w -]*")  # not the e of 1e-3


@dataclass(frozen=True)
class Parameter:
    """One typed assignment of the parameters cell."""

    name: str
    type_name: str  # a name of studies.page.types
    default: Any  # a Python literal
    comment: str  # what the parameter means

    @property
    def wanted(self) -> str:
        """The range in words, with the parameter's name in it."""
        metadata = get_args(getattr(types, self.type_name))[1:]
        text = next(m.text for m in metadata if isinstance(m, types.Wanted))
        return text.format(name=self.name)

    def check(self, value: Any) -> Any:
        """Return ``value`` as the kernel will see it, or raise `ParameterError`."""
        adapter: TypeAdapter[Any] = TypeAdapter(getattr(types, self.type_name))
        try:
            return adapter.validate_python(value, strict=True)
        except ValidationError:
            raise ParameterError(
                f"{self.name} = {short(value)} is refused: need {self.wanted} ({self.comment})"
            ) from None


@dataclass(frozen=True)
class Condition:
    """One ``need(holds, rule)`` of the parameters cell."""

    holds: str  # a Python expression
    rule: str
    names: tuple[str, ...]  # of the parameters in it

    def check(self, values: Mapping[str, Any]) -> None:
        """Raise `ParameterError` if ``values`` break the rule."""
        given = {name: values[name] for name in self.names}
        try:
            # The names are globals, so that comprehensions see them.
            need(eval(self.holds, {"__builtins__": {}, **FUNCTIONS, **given}), self.rule)
        except ValueError:
            what = ", ".join(f"{name} = {short(value)}" for name, value in given.items())
            are = "are" if len(given) > 1 else "is"
            raise ParameterError(f"{what} {are} refused: {self}") from None
        except (TypeError, ArithmeticError, LookupError) as error:
            raise ChapterError(
                f"{self.holds} cannot be judged for {short(given)}: {error}"
            ) from None

    def __str__(self) -> str:
        return f"need {self.rule} ({self.holds})"


class Parameters(dict[str, Parameter]):
    """A chapter's parameters by name, in the cell's order, and the conditions between them."""

    def __init__(self) -> None:
        super().__init__()
        self.conditions: list[Condition] = []


def read_parameters(source: str) -> Parameters:
    """Read the parameters cell ``source``; its own defaults are checked too.

    A statement that is neither an import from `studies.page`, nor a typed assignment of a literal
    with a comment, nor a condition is a ChapterError.
    """
    statements = ast.parse(source).body  # first: its error says more than the tokenizer's
    comments = _comments(source)
    parameters = Parameters()
    try:
        for node in statements:
            if isinstance(node, ast.Expr):
                parameters.conditions.append(_condition(node, parameters))
            elif not _is_import(node):
                parameter = _parameter(node, comments)
                if parameter.name in parameters:
                    raise ChapterError(f"parameters cell: {parameter.name} is set twice")
                # A default is what an override of the same text would be: 2 becomes 2.0.
                default = parameter.check(parameter.default)
                parameters[parameter.name] = replace(parameter, default=default)
        effective(parameters, [])
    except ParameterError as error:
        raise ChapterError(f"parameters cell, default of {error}") from None
    return parameters


def _is_import(node: ast.stmt) -> bool:
    match node:
        case ast.ImportFrom(module="studies.page.types"):
            return True
        case ast.ImportFrom(module="studies.page", names=[ast.alias(name="need", asname=None)]):
            return True
    return False


def _condition(node: ast.Expr, parameters: Mapping[str, Parameter]) -> Condition:
    where = f"parameters cell, line {node.lineno}"
    match node.value:
        case ast.Call(
            func=ast.Name(id="need"), args=[holds, ast.Constant(value=str(rule))], keywords=[]
        ):
            inside = list(ast.walk(holds))
        case _:
            raise ChapterError(f'{where}: need `need(condition, "rule in words")`')
    functions = [part.func for part in inside if isinstance(part, ast.Call)]
    bound = {p.id for p in inside if isinstance(p, ast.Name) and isinstance(p.ctx, ast.Store)}
    for part in inside:
        match part:
            case ast.Name(id=name) if part in functions:
                known = name in FUNCTIONS
            case ast.Name(id=name):
                known = name in parameters or name in bound
            case ast.Call(func=function):
                known = isinstance(function, ast.Name)
            case _:
                known = isinstance(part, _HARMLESS)
        if not known:
            allowed = ", ".join([*parameters, *FUNCTIONS])
            raise ChapterError(
                f"{where}: {ast.unparse(part)} may not stand in a condition; it is made of "
                f"comparisons, arithmetic and {allowed}"
            )
    used = {part.id for part in inside if isinstance(part, ast.Name)} - bound
    return Condition(ast.unparse(holds), rule, tuple(name for name in parameters if name in used))


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}


def _parameter(node: ast.stmt, comments: Mapping[int, str]) -> Parameter:
    where = f"parameters cell, line {node.lineno}"
    if not (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.annotation, ast.Name)
        and node.value is not None
    ):
        raise ChapterError(f"{where}: need `name: Type = value  # meaning`")
    if node.annotation.id not in types.NAMES:
        known = ", ".join(types.NAMES)
        raise ChapterError(f"{where}: unknown type {node.annotation.id}; known: {known}")
    try:
        default = ast.literal_eval(node.value)
    except ValueError:
        raise ChapterError(f"{where}: the default must be a literal") from None
    comment = comments.get(node.end_lineno or node.lineno, "")
    if not comment:
        raise ChapterError(f"{where}: a comment must say what {node.target.id} means")
    return Parameter(node.target.id, node.annotation.id, default, comment)


def parse_assignment(text: str) -> tuple[str, Any]:
    """Split ``name=value`` as typed on a command line; a word that is no literal is a string.

    So are the words of a list: ``dataset=[digits,ecg5000]``.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ParameterError(
            f"{short(text)} is refused: need name=value, such as p=0.5{_torn(text)}"
        )
    return name.strip(), _literal(value.strip())


def _torn(text: str) -> str:
    """A hint where a shell has split a value at its blanks."""
    return "; quote a value with blanks, -p 'widths=[64, 128]'" if set(text) & set("[],") else ""


def parse_assignments(texts: Iterable[str]) -> dict[str, Any]:
    """Each ``name=value``; a name that comes twice is refused, as one would be lost."""
    found: dict[str, Any] = {}
    for name, value in map(parse_assignment, texts):
        if name in found:
            raise ParameterError(f"{short(name)} is set twice: need one value for each parameter")
        found[name] = value
    return found


def _literal(value: str) -> Any:
    words = {"true": True, "false": False}
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        if value[:1] == "[" and not {"'", '"'} & set(value):
            quoted = _WORD.sub(lambda word: repr(_literal(word[0].strip())), value)
            return _literal(quoted) if quoted != value else value
        return words.get(value.lower(), value)


def effective(parameters: Parameters, overrides: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The values to run with: the defaults, then each mapping of ``overrides`` over them.

    An unknown name, a value out of range and values that break a condition are ParameterErrors.
    """
    values = {name: parameter.default for name, parameter in parameters.items()}
    for override in overrides:
        for name, value in override.items():
            if name not in parameters:
                hint, known = did_you_mean(name, parameters), ", ".join(parameters) or "none"
                raise ParameterError(
                    f"{name} is no parameter of this chapter{hint}; its parameters are: {known}"
                )
            values[name] = parameters[name].check(value)
    for condition in parameters.conditions:
        condition.check(values)
    return values


def write_values(source: str, values: Mapping[str, Any]) -> str:
    """Return the parameters cell with the values really used; types and comments stay."""
    lines = source.split("\n")  # not splitlines: Python sees no line end in a form feed
    for node in reversed(ast.parse(source).body):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        if node.value is None or node.target.id not in values:
            continue
        if repr(ast.literal_eval(node.value)) == repr(values[node.target.id]):
            continue  # keep the author's spelling, 1e-3 say
        first, last = node.value.lineno - 1, (node.value.end_lineno or node.value.lineno) - 1
        # ast counts columns in UTF-8 bytes.
        before = lines[first].encode()[: node.value.col_offset].decode()
        after = lines[last].encode()[node.value.end_col_offset :].decode()
        lines[first : last + 1] = [before + repr(values[node.target.id]) + after]
    return "\n".join(lines)
