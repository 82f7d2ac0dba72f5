from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from thermalctl.environment.masking import Mask


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tests' own user is not in the way."""
    monkeypatch.setenv("HOME", "/home/jdoe")
    monkeypatch.setattr(getpass, "getuser", lambda: "jdoe")


def mask(text: str, **environment: str) -> str:
    return Mask({"HOME": "/home/jdoe", "USER": "jdoe"} | environment)(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("/home/jdoe/data/a.h5", "~/data/a.h5"),
        ('File "/home/jdoe", line 1', 'File "~", line 1'),
        ("/scratch/jdoe/runs", "/scratch/<user>/runs"),
        ("/tmp/jdoe-venv/x", "/tmp/<user>-venv/x"),
        ("jdoe@nas:/export", "<user>@nas:/export"),
        ("/home/jdoe2/x", "/home/jdoe2/x"),
        ("C:\\Users\\JDoe\\x", "C:\\Users\\<user>\\x"),
    ],
)
def test_home_and_user_are_taken_out(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("HTTPS_PROXY=http://ann:hunter2@proxy:3128", "HTTPS_PROXY=http://***@proxy:3128"),
        ("http://ann:hun@ter2@proxy:3128/x", "http://***@proxy:3128/x"),
        ("ann:hunter2@proxy.example:3128", "***@proxy.example:3128"),
        ("https://token@host/x", "https://***@host/x"),
        ("https://host/x.pth?X-Signature=abc&e=1 failed", "https://host/x.pth?*** failed"),
        ("https://host/x.pth is not there", "https://host/x.pth is not there"),
        ("Is ThermalDataGen meant? yes", "Is ThermalDataGen meant? yes"),
    ],
)
def test_credentials_of_an_address_are_taken_out(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("proxy", ["http://ann:p%40ss/word@proxy:3128", "ann:p%40ss/word@proxy:3128"])
def test_password_of_a_proxy_is_taken_out_wherever_it_is(proxy: str) -> None:
    text = mask("ann p%40ss/word p@ss/word", https_proxy=proxy)

    assert text == "<user> *** ***"


def test_value_of_a_variable_that_is_named_like_a_secret_is_taken_out() -> None:
    assert mask("sent abcdef0123", HF_TOKEN="abcdef0123") == "sent ***"
    assert mask("true, a commit by Jane", USE_AUTH="true", GIT_AUTHOR_NAME="Jane Doe") == "true, a commit by Jane"


def test_account_that_names_nobody_is_left() -> None:
    assert Mask({"HOME": "/root", "USER": "root"})("the root of /root/x") == "the root of ~/x"
