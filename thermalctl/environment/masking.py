"""Taking out of a text what is nobody else's business."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

#: Variables with such a name hold a secret.
SECRET_NAME = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|AUTH(?!OR)", re.IGNORECASE
)
#: `user:password@` of an address, with its scheme or without.
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@|(?<![\w/])[^/\s@:=]+:[^/\s@]+@(?=[\w.-]+(?::\d+)?(?:/|\s|$))")
#: The query of an address: a signed address carries its signature there.
_QUERY = re.compile(r"(\w+://[^\s?'\"]*\?)[^\s'\"]+")
#: Accounts that name no person; to take them out would only spoil words.
_NOBODY = frozenset({"root", "user", "ubuntu", "nobody", "runner", "home", "admin", "docker", "data", "test"})
#: A shorter secret would be found in ordinary words ("true", "false").
_LEAST_SECRET = 6


class Mask:
    """Takes out of a text what is nobody else's business.

    Credentials and queries of addresses, the values of variables that are named like secrets, the home folder (which
    becomes ~) and the user's name.

    Args:
        environment: the variables that tell the secrets and the user.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        proxies = [_split_proxy(value) for name, value in environment.items() if _is_proxy(name)]
        secrets = {
            value for name, value in environment.items() if SECRET_NAME.search(name) and len(value) >= _LEAST_SECRET
        }
        secrets |= {spelled for proxy in proxies for spelled in (proxy[1], unquote(proxy[1])) if spelled}
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._homes = sorted(_list_homes(environment), key=len, reverse=True)
        names = (_list_user_names(environment) | {proxy[0] for proxy in proxies}) - _NOBODY - {""}
        parts = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        self._names = re.compile(rf"(?<![A-Za-z0-9])(?:{parts})(?![A-Za-z0-9])", re.IGNORECASE) if parts else None

    def __call__(self, text: str) -> str:
        """Return the text with all that taken out."""
        text = _QUERY.sub(r"\1***", _CREDENTIALS.sub("***@", text))
        for secret in self._secrets:
            text = text.replace(secret, "***")
        for home in self._homes:
            text = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text)
        return self._names.sub("<user>", text) if self._names else text


def _is_proxy(name: str) -> bool:
    return name.upper().endswith("_PROXY") and name.upper() != "NO_PROXY"


def _split_proxy(address: str) -> tuple[str, str]:
    """Return the user and the password in a proxy's address, "" where it has none."""
    credentials = address.partition("://")[2] or address
    user, _, password = credentials.rpartition("@")[0].partition(":")
    return user, password


def _list_homes(environment: Mapping[str, str]) -> set[str]:
    """Return the home folder by every name."""
    named = {environment.get("HOME", ""), os.path.expanduser("~")}  # noqa: PTH111  Path's raises where there is none
    homes = {home.rstrip("/") for home in named if home.startswith("/")}
    return (homes | {os.path.realpath(home) for home in homes if home}) - {"", "/"}


def _list_user_names(environment: Mapping[str, str]) -> set[str]:
    names = {environment.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER")}
    names |= {Path(home).name for home in _list_homes(environment)}
    with suppress(KeyError, OSError, ImportError):  # a user id without an entry
        names.add(getpass.getuser())
    return names
