"""Configs as text, read without running them.

A checkpoint of MMEngine carries its config as `meta["cfg"]`, the text of `Config.pretty_text`: Python source, which
`Config.fromstring` would execute. A checkpoint may come from anywhere, so its text is only parsed, for plain values.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from thermalctl.errors import CheckpointError

_CONTAINERS: dict[str, Callable[..., Any]] = {"dict": dict, "list": list, "tuple": tuple, "set": set}
#: `pretty_text` writes non-finite numbers as `str` does.
_NUMBERS = {"inf": float("inf"), "nan": float("nan")}


def parse_config_text(text: str) -> dict[str, Any]:
    """Return the config that `Config.pretty_text` wrote, as plain values.

    Read are assignments `name = value` of strings, numbers, booleans, None, lists, tuples, sets and dicts, the latter
    also as `dict(key=value)`. Nothing is executed or imported.

    Raises:
        CheckpointError: if the text is no Python, or holds anything else; it names the line and what is there.
    """
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two: brackets nested too deeply
        line = getattr(error, "lineno", None) or 1
        raise CheckpointError(f"the config text cannot be parsed (line {line}: {error})", hint=_HINT) from error
    config: dict[str, Any] = {}
    for statement in module.body:
        if not isinstance(statement, ast.Assign):
            raise _refusal(statement)
        target = statement.targets[0]
        if len(statement.targets) > 1 or not isinstance(target, ast.Name):
            raise _refusal(statement)
        config[target.id] = _read_value(statement.value)
    return config


def _read_value(node: ast.expr) -> Any:
    if isinstance(node, ast.Dict):
        return {_read_key(key, node): _read_value(value) for key, value in zip(node.keys, node.values, strict=True)}
    if isinstance(node, ast.List):
        return [_read_value(element) for element in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_read_value(element) for element in node.elts)
    if isinstance(node, ast.Set):
        return {_read_key(element, node) for element in node.elts}
    if isinstance(node, ast.Call):
        return _read_call(node)
    return _read_scalar(node)


def _read_scalar(node: ast.expr) -> Any:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.UnaryOp):
        number = _read_scalar(node.operand)
        if isinstance(number, int | float) and not isinstance(number, bool):
            return -number
    elif isinstance(node, ast.Name) and node.id in _NUMBERS:
        return _NUMBERS[node.id]
    elif isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
        return node.value
    raise _refusal(node)


def _read_key(node: ast.expr | None, parent: ast.expr) -> Any:
    if node is None:  # {**other}
        raise _refusal(parent)
    return _read_scalar(node)


def _read_call(node: ast.Call) -> Any:
    """Return the value of `dict(key=value)`, `dict({...})`, `list([...])`, `tuple(...)`, `set(...)`, `float("inf")`."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if len(node.args) > 1 or (node.keywords and name != "dict"):
        raise _refusal(node)
    arguments = [_read_value(argument) for argument in node.args]
    keywords = {keyword.arg: _read_value(keyword.value) for keyword in node.keywords if keyword.arg is not None}
    if len(keywords) < len(node.keywords):  # dict(**other), or a key given twice
        raise _refusal(node)
    try:
        if name in _CONTAINERS:
            return _CONTAINERS[name](*arguments, **keywords)
        if name == "float":
            return float(*arguments)
    except (TypeError, ValueError) as error:  # set([[]]), list(1), float("x")
        raise _refusal(node) from error
    raise _refusal(node)


def _refusal(node: ast.AST) -> CheckpointError:
    found = ast.unparse(node)
    shown = found if len(found) <= 60 else f"{found[:60]}..."
    return CheckpointError(
        f"the config text holds something other than plain values in line {getattr(node, 'lineno', 1)}: {shown}",
        hint=_HINT,
    )


_HINT = "a checkpoint's config is never executed; if its text was edited, name the original config file instead"
