"""Which recordings belong together: the honest unit for splitting.

A long recording is often cut into files that overlap, so that each keyframe has a full clip around it. Such files hold
the same frames; a split by file leaks. Recordings of the same device that share arrival times, directly or through
others, are one session.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def find_sessions(timestamps_ms: Mapping[str, NDArray[np.int64]], mac_addresses: Mapping[str, str]) -> dict[str, str]:
    """Return each recording's session: the connected components of recordings that share frames.

    A session is named by what its recordings' names have in common ("SL14" for SL14_R1 and SL14_R2), a lone recording
    by its own name; where two sessions would have the same name, both are named "first..last recording".

    Args:
        timestamps_ms: arrival times (N,) int64 by recording.
        mac_addresses: the device by recording; recordings of different devices never share a session.
    """
    names = sorted(timestamps_ms)
    pairs = shared_frames(timestamps_ms, mac_addresses)
    place = {name: position for position, name in enumerate(names)}
    rows = [place[first] for first, _ in pairs]
    columns = [place[second] for _, second in pairs]
    graph = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(len(names), len(names)))
    _, components = connected_components(graph, directed=False)
    members: dict[int, list[str]] = {}
    for name, component in zip(names, components.tolist(), strict=True):
        members.setdefault(component, []).append(name)
    sessions = {}
    for session, recordings in zip(_name_sessions(list(members.values())), members.values(), strict=True):
        sessions.update(dict.fromkeys(recordings, session))
    return sessions


def shared_frames(
    timestamps_ms: Mapping[str, NDArray[np.int64]], mac_addresses: Mapping[str, str]
) -> dict[tuple[str, str], int]:
    """Return how many frames each pair of recordings of the same device shares, pairs that share none left out.

    Args:
        timestamps_ms: arrival times (N,) int64 by recording.
        mac_addresses: the device by recording.
    """
    shared = {}
    # Sorted by their first frame, a recording can only share frames with those that begin before it ends: neighbours.
    filled = [name for name in timestamps_ms if len(timestamps_ms[name])]
    by_start = sorted(filled, key=lambda name: (int(timestamps_ms[name].min()), name))
    for position, first in enumerate(by_start):
        end = timestamps_ms[first].max()
        for second in by_start[position + 1 :]:
            if timestamps_ms[second].min() > end:
                break
            if mac_addresses[first] != mac_addresses[second]:
                continue
            count = len(np.intersect1d(timestamps_ms[first], timestamps_ms[second]))
            if count:
                a, b = sorted((first, second))
                shared[a, b] = count
    return dict(sorted(shared.items()))


def _name_sessions(groups: list[list[str]]) -> list[str]:
    names = [_find_common_name(group) for group in groups]
    return [
        name if names.count(name) == 1 else f"{group[0]}..{group[-1]}"
        for name, group in zip(names, groups, strict=True)
    ]


def _find_common_name(recordings: list[str]) -> str:
    if len(recordings) == 1:
        return recordings[0]
    # Whole parts only: SL14_R1 and SL14_R2 have "SL14" in common, not "SL14_R".
    split_names = [re.split(r"([_\-. ]+)", name) for name in recordings]
    common = []
    for parts in zip(*split_names, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return re.sub(r"[_\-. ]+$", "", "".join(common)) or f"{recordings[0]}..{recordings[-1]}"
