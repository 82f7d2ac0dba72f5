"""Simulated sessions: recordings of people in a room as a ceiling sensor would make them, with what they really do.

A session is one stream of frames. Its recordings are overlapping windows of that stream, as in the real recordings:
neighbours share about 29 % of their frames, pixel for pixel and stamp for stamp.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import RequestError
from thermalctl.recordings.hdf5 import Recording
from thermalctl.recordings.simulate_body import BodyPoints, build_body_points
from thermalctl.recordings.simulate_people import Track, perform
from thermalctl.recordings.simulate_scene import furnish_room
from thermalctl.recordings.simulate_sensor import add_sensor_errors, deliver, lose_packets, view_room

#: The first session starts here, and one more each day: 2025-01-06 09:00 UTC, in ms since 1970.
_FIRST_SESSION_MS = 1_736_154_000_000
_DAY_MS = 86_400_000
#: One sensor for all sessions, as in the real recordings; a locally administered address.
MAC_ADDRESS = "02:00:00:00:00:02"
#: Share of a recording's frames that its neighbour holds too: 140 to 151 of 500.
_SHARED = (0.28, 0.302)
_MIN_FRAMES = 16


@dataclass(frozen=True, kw_only=True)
class SimulationOptions:
    """What to simulate.

    Attributes:
        num_sessions: rooms, each with its own layout, people, ambient temperature and link.
        recordings_per_session: files that a session's stream is cut into.
        frames_per_recording: frames in each.
        keyframes_per_recording: annotated frames in each; real recordings have 37 to 54 in 500.
        frame_size: (height, width) in pixels.
        frame_period_ms: time between two measurements.
        noise_c: temporal noise of a pixel, standard deviation in deg C.
        second_person_share: of a session's time that a second person is there.
        incomplete_share: least and largest share of incomplete frames in a session with a bad link. Every second
            session, the first among them, has one; the others lose nothing.
        seed: of everything random. The same options give the same arrays.
    """

    num_sessions: int = 3
    recordings_per_session: int = 4
    frames_per_recording: int = 500
    keyframes_per_recording: int = 50
    frame_size: tuple[int, int] = (40, 60)
    frame_period_ms: float = 165.0
    noise_c: float = 0.25
    second_person_share: float = 0.25
    incomplete_share: tuple[float, float] = (0.05, 0.10)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (
            ("num_sessions", 1), ("recordings_per_session", 1), ("frames_per_recording", _MIN_FRAMES),
            ("keyframes_per_recording", 1), ("frame_period_ms", 1.0), ("noise_c", 0.0), ("seed", 0),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise RequestError(f"simulation option {name} is {getattr(self, name)}, expected at least {least}")
        if min(self.frame_size) < 8:
            raise RequestError(
                f"simulation option frame_size is {self.frame_size}, expected at least 8 pixels each way"
            )
        if max(self.frame_size) > 2 * min(self.frame_size):
            raise RequestError(
                f"simulation option frame_size is {self.frame_size}, expected one side at most twice the other"
            )
        low, high = self.incomplete_share
        if not (0.0 <= low <= high < 1.0 and 0.0 <= self.second_person_share <= 1.0):
            raise RequestError(
                f"simulation options incomplete_share {self.incomplete_share} and second_person_share "
                f"{self.second_person_share} are no shares, expected 0 to 1, the smaller first"
            )


#: What `thermalctl demo` makes: small enough for a CPU, large enough that a small SlowFast learns something from it.
DEMO_SIMULATION = SimulationOptions(
    num_sessions=6, recordings_per_session=3, keyframes_per_recording=24, second_person_share=0.15
)


@dataclass(frozen=True, kw_only=True)
class SimulatedPerson:
    """What one person does in a recording of N frames.

    Attributes:
        labels: (N,) int, values of `simulate_actions.Action`; -1 while the person is not there.
        boxes_px: (N, 4) int left, top, right, bottom in pixels, the last two exclusive; 0 where nothing is seen.
        visible: (N,) share of the body inside the frame, 0..1.
    """

    labels: NDArray[np.int64]
    boxes_px: NDArray[np.int64]
    visible: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SimulatedRecording:
    """A recording and the truth about it.

    Attributes:
        session: number of its session, from 0.
        recording: what the sensor recorded.
        people: who was there; the index is the person's `object_id`.
        incomplete: (N,) bool, which frames lost packets.
    """

    session: int
    recording: Recording
    people: tuple[SimulatedPerson, ...]
    incomplete: NDArray[np.bool_]


def simulate_session(options: SimulationOptions, session: int) -> list[SimulatedRecording]:
    """Return the recordings of one session, in time order; other sessions have no part in them."""
    rng = np.random.default_rng([options.seed, session])
    starts = _cut_stream(options, rng)
    num_frames = starts[-1] + options.frames_per_recording
    times_s: NDArray[np.float64] = np.arange(num_frames, dtype=np.float64) * (options.frame_period_ms / 1000.0)

    room = furnish_room(options.frame_size, ambient_c=rng.uniform(21.0, 24.0), rng=rng)
    length_s = float(times_s[-1])
    stays_s = options.second_person_share * length_s
    enters_s = float(rng.uniform(0.0, length_s - stays_s))
    present_s = [(0.0, length_s + 1.0)] + ([(enters_s, enters_s + stays_s)] if stays_s > 0 else [])
    tracks: list[Track] = []
    for person, stay_s in enumerate(present_s):
        tracks.append(perform(times_s, room, person=person, present_s=stay_s, others=tracks, rng=rng))
    view = view_room(room, tracks, [_dress(rng) for _ in tracks], times_s)

    # The sensor is the same in all sessions, and so is what each of its pixels gets wrong.
    fixed_pattern_c = np.random.default_rng(options.seed).normal(0.0, 0.15, size=options.frame_size)
    frames_c = add_sensor_errors(
        view.frames_c, times_s, noise_c=options.noise_c, fixed_pattern_c=fixed_pattern_c, rng=rng
    )
    link_is_bad = session % 2 == 0
    measured_c = frames_c
    if link_is_bad:
        frames_c = lose_packets(frames_c, share=float(rng.uniform(*options.incomplete_share)), rng=rng)
    incomplete = (frames_c != measured_c).any(axis=(1, 2))
    timestamps_ms = deliver(
        times_s,
        start_ms=_FIRST_SESSION_MS + session * _DAY_MS,
        stall_s=(0.8, 2.6) if link_is_bad else (0.5, 0.6),
        stalls_every_s=0.6 if link_is_bad else 1.2,
        rng=rng,
    )
    recordings = []
    for number, start in enumerate(starts, start=1):
        rows = slice(start, start + options.frames_per_recording)
        recordings.append(
            SimulatedRecording(
                session=session,
                recording=Recording(
                    sensor_id=f"SIM{session + 1:02d}_R{number}",
                    mac_address=MAC_ADDRESS,
                    frames_c=frames_c[rows],
                    timestamps_ms=timestamps_ms[rows],
                    frame_seqs=timestamps_ms[rows],  # the real recorder counts frames by their stamps too
                ),
                people=tuple(
                    SimulatedPerson(labels=track.labels[rows], boxes_px=boxes[rows], visible=visible[rows])
                    for track, boxes, visible in zip(tracks, view.boxes_px, view.visible, strict=True)
                ),
                incomplete=incomplete[rows],
            )
        )
    return recordings


def _cut_stream(options: SimulationOptions, rng: np.random.Generator) -> list[int]:
    """Return the frame at which each recording of a session starts."""
    least, most = (round(share * options.frames_per_recording) for share in _SHARED)
    shared = rng.integers(least, most + 1, size=options.recordings_per_session - 1)
    return [0, *np.cumsum(options.frames_per_recording - shared).tolist()]


def _dress(rng: np.random.Generator) -> BodyPoints:
    """Return a person's body in clothes of their own: a little warmer or cooler, a little wider or narrower."""
    points = build_body_points()
    return replace(
        points,
        radius_m=points.radius_m * rng.uniform(0.92, 1.08),
        temperature_c=points.temperature_c + rng.uniform(-0.7, 0.7),
    )
