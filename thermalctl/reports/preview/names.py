"""What a user means by part of a name: the one thing that has it in its name, or an error that tells the nearest."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from thermalctl.errors import RequestError

#: More names than this are not all listed: a few, and the rest counted.
MAX_NAMES_LISTED, FEW_NAMES = 14, 4
#: How alike a misspelt name and the one that is meant must be, 0 to 1; below it the nearest is a guess.
MIN_LIKENESS = 0.5


def match_name(wanted: str, known: Sequence[str], *, option: str, plural: str) -> str:
    """Return which of the `known` names is meant: the name itself, in any case, or a part that only one of them has.

    Args:
        wanted: what the user wrote.
        known: the names there are.
        option: where they wrote it, as "--class", for the error.
        plural: what the names are of, as "classes", for the error.

    Raises:
        RequestError: if no name is meant, or more than one could be.
    """
    folded = wanted.strip().casefold()
    for candidates in (
        [name for name in known if name == wanted],
        [name for name in known if name.casefold() == folded],
        [name for name in known if folded and folded in name.casefold()],
    ):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise RequestError(
                f'{option} "{wanted}": {len(candidates)} {plural} have that in their name: {_list_names(candidates)}',
                hint=f"write more of it; {option} can be given several times",
            )
    by_folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(folded, _list_parts(by_folded), n=1, cutoff=MIN_LIKENESS)
    meant = next((name for key, name in by_folded.items() if near and near[0] in key), None)
    raise RequestError(
        f'{option} "{wanted}": no such name' + (f". Is {meant} meant?" if meant else ""),
        hint=f"the {plural}: {_list_names(known)}",
    )


def _list_parts(names: Sequence[str] | dict[str, str]) -> list[str]:
    """Return the names and the words in them: a misspelt word is near to a word, not to a long name."""
    words = [word for name in names for word in name.replace("-", " ").replace("/", " ").split()]
    return list(dict.fromkeys([*names, *words]))


def _list_names(names: Sequence[str]) -> str:
    if len(names) <= MAX_NAMES_LISTED:
        return ", ".join(names)
    return f"{', '.join(names[:FEW_NAMES])} and {len(names) - FEW_NAMES} more"
