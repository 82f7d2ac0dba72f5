from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermalctl.compat import prepare_mmaction
from thermalctl.engine.config_text import parse_config_text
from thermalctl.errors import CheckpointError

FAMILIES = ("slowfast", "slowonly", "x3d", "tsm", "swin", "mvit", "uniformer", "uniformerv2", "timesformer")


def list_configs(family: str) -> list[Path]:
    prepare_mmaction()
    import mmaction

    return sorted(Path(mmaction.__path__[0], ".mim", "configs", "recognition", family).glob("*.py"))


def write_as_mmengine_does(config: dict[str, Any]) -> str:
    prepare_mmaction()
    from mmengine import Config

    text: str = Config(config, format_python_code=False).pretty_text
    return text


def test_values_of_every_kind_are_read() -> None:
    text = (
        "name = 'thermal'\n"
        "rates = [0.005, -1, 1e-4]\n"
        "size = (256, 384)\n"
        "one = ('RGB', )\n"
        "model = dict(type='SlowFast', nested=dict(flag=True, nothing=None))\n"
        "keys = {'0': 'a b', 3: dict({'x-y': 1})}\n"
        "empty = [dict(), list(), tuple(), set()]\n"
        "limits = [inf, -inf, float('inf'), float('-inf')]\n"
        "joined = 'a' 'b'\n"
    )
    assert parse_config_text(text) == {
        "name": "thermal",
        "rates": [0.005, -1, 0.0001],
        "size": (256, 384),
        "one": ("RGB",),
        "model": {"type": "SlowFast", "nested": {"flag": True, "nothing": None}},
        "keys": {"0": "a b", 3: {"x-y": 1}},
        "empty": [{}, [], (), set()],
        "limits": [math.inf, -math.inf, math.inf, -math.inf],
        "joined": "ab",
    }


def test_nan_is_read() -> None:
    assert math.isnan(parse_config_text("threshold = nan")["threshold"])


@pytest.mark.parametrize(
    ("statement", "quoted"),
    [
        ("import os", "import os"),
        ("__import__('os').system('id')", "__import__"),
        ("x = __import__('os')", "__import__"),
        ("x = open('f', 'w')", "open"),
        ("x = [dict(a=print(1))]", "print"),
        ("x = (lambda: 1)()", "lambda"),
        ("x = os.path", "os.path"),
        ("x = other", "other"),
        ("x = 'a' + 'b'", "'a' \\+ 'b'"),
        ("x = 10 ** 10 ** 10", "10 \\*\\* 10"),
        ("x = 'a' * 10", "\\*"),
        ("x = [i for i in range(9)]", "for i in"),
        ("x = f'{1}'", "f'"),
        ("x = b'bytes'", "b'bytes'"),
        ("x = ...", r"\.\.\."),
        ("x = -'a'", "-'a'"),
        ("x = -True", "-True"),
        ("x = --1", "--1"),
        ("x = ~1", "~1"),
        ("x, y = 1, 2", "y"),
        ("x = y = 1", "y"),
        ("x.y = 1", "x.y"),
        ("x['y'] = 1", "x"),
        ("x += 1", "x"),
        ("x: int = 1", "x: int"),
        ("def f(): pass", "def f"),
        ("x = dict(**{'a': 1})", "\\*\\*"),
        ("x = {**{'a': 1}}", "\\*\\*"),
        ("x = [*[1]]", "\\*"),
        ("x = dict([1, 2])", "dict"),
        ("x = dict(1, 2)", "dict"),
        ("x = {(1, [2]): 1}", "\\(1, \\[2\\]\\)"),
        ("x = {[1]}", "\\[1\\]"),
        ("x = set([[1]])", "set"),
        ("x = list(1)", "list"),
        ("x = float('x')", "float"),
        ("x = float(float=1)", "float"),
    ],
)
def test_anything_but_plain_values_is_refused_with_its_line(statement: str, quoted: str) -> None:
    with pytest.raises(CheckpointError, match=f"line 2: .*{quoted}"):
        parse_config_text(f"first = 1\n{statement}\n")


@pytest.mark.parametrize("text", ["x = ", "x = (1,", "x = 1\n  y = 2", "x = '\0'", "x = " + "(" * 1000 + ")" * 1000])
def test_text_that_is_no_python_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match=r"cannot be parsed \(line"):
        parse_config_text(text)


def test_refused_text_was_not_executed(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    with pytest.raises(CheckpointError):
        parse_config_text(f"x = open({str(trace)!r}, 'w')")
    assert not trace.exists()


@pytest.mark.parametrize("family", FAMILIES)
def test_text_of_real_configs_is_read_back_equal(family: str) -> None:
    from mmengine import Config

    configs = list_configs(family)
    assert configs
    for path in configs[:2]:
        config = Config.fromfile(path, format_python_code=False)
        assert parse_config_text(config.pretty_text) == config.to_dict(), path


def test_text_that_yapf_has_formatted_is_read_back_equal() -> None:
    from mmengine import Config

    config = Config.fromfile(list_configs("slowfast")[0])
    assert parse_config_text(config.pretty_text) == config.to_dict()


# Not "filename" and the like, which MMEngine reserves, nor quotes in keys, which pretty_text itself gets wrong.
names = st.from_regex(r"\A[a-z]{1,3}_\Z")
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["a", "0", "x-y", "b c"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(names, values, max_size=4))
def test_whatever_pretty_text_writes_is_read_back_equal(config: dict[str, Any]) -> None:
    from mmengine import Config

    assert parse_config_text(write_as_mmengine_does(config)) == Config(config).to_dict()
