"""A simulated ceiling sensor: its lens, its noise, and a link that stalls and loses packets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermalctl.recordings.simulate_actions import ABSENT
from thermalctl.recordings.simulate_body import BodyPoints, FloatArray
from thermalctl.recordings.simulate_people import Track
from thermalctl.recordings.simulate_scene import Room

#: High enough that someone standing at the frame's edge still looks more round than long.
SENSOR_HEIGHT_M = 8.0
#: The lens spreads a point over so many pixels (standard deviation), whatever the resolution.
OPTICS_BLUR_PX = 0.65
#: What of a body counts as seen, as a share of full coverage.
VISIBLE_COVERAGE = 0.25
#: A frame travels in packets of 576 of its 2,400 pixels; seen in the real recordings as runs of lost pixels.
PACKET_SHARE = 0.24
#: Tail of an incomplete frame: 0 K as the recorder writes it.
LOST_PIXEL_C = np.float32(-273.2)
#: Frames drawn at a time, so that a session's intermediate arrays stay small.
_BLOCK_FRAMES = 256

#: How fast bed, seat and floor take up a body's warmth and lose it again, and how warm they get.
_RESIDUE_MAX_C = 3.5
_RESIDUE_WARMING_S = 20.0
_RESIDUE_COOLING_S = 25.0


@dataclass(frozen=True, kw_only=True)
class View:
    """What the sensor's lens sees of a session with N frames.

    Attributes:
        frames_c: (N, H, W) float32, deg C, before the sensor's own errors.
        boxes_px: (people, N, 4) left, top, right, bottom of each person in pixels; 0 where nothing is seen of them.
        visible: (people, N) share of each body inside the frame, 0..1.
    """

    frames_c: NDArray[np.float32]
    boxes_px: NDArray[np.int64]
    visible: FloatArray


def view_room(room: Room, tracks: Sequence[Track], bodies: Sequence[BodyPoints], times_s: FloatArray) -> View:
    """Return what the lens sees of people in a room.

    Args:
        room: with `empty_c` (H, W).
        tracks: one for each person.
        bodies: one for each person.
        times_s: (N,) when each frame is measured.
    """
    frame_size = room.empty_c.shape
    num_frames = len(times_s)
    frames_c = np.empty((num_frames, *frame_size), dtype=np.float32)
    boxes_px = np.zeros((len(tracks), num_frames, 4), dtype=np.int64)
    visible = np.zeros((len(tracks), num_frames))
    residue_c = np.zeros(frame_size, dtype=np.float32)
    empty_c = room.empty_c.astype(np.float32)
    steps_s = np.diff(times_s, prepend=times_s[0])
    for start in range(0, num_frames, _BLOCK_FRAMES):
        rows = slice(start, min(start + _BLOCK_FRAMES, num_frames))
        amount, warmth, shown, contact = (np.zeros((rows.stop - start, *frame_size), np.float32) for _ in range(4))
        for person, (track, points) in enumerate(zip(tracks, bodies, strict=True)):
            if not (track.labels[rows] != ABSENT).any():
                continue
            spots = _project(room, track, points, rows)
            own_amount = spots.draw(spots.weight)
            amount += own_amount
            shown += spots.draw(spots.weight * spots.on_top)
            warmth += spots.draw(spots.weight * spots.on_top * spots.temperature_c)
            contact += spots.draw(spots.weight * spots.touching)
            boxes_px[person, rows] = _find_boxes(1.0 - np.exp(-own_amount) > VISIBLE_COVERAGE)
            visible[person, rows] = spots.inside.mean(axis=1)
        covered = 1.0 - np.exp(-amount)
        body_c = warmth / np.maximum(shown, 1e-6)
        contact = np.minimum(contact, 1.0)
        for row in range(start, rows.stop):
            at = row - start
            residue_c += steps_s[row] * (
                contact[at] * (_RESIDUE_MAX_C - residue_c) / _RESIDUE_WARMING_S - residue_c / _RESIDUE_COOLING_S
            )
            behind_c = empty_c + residue_c
            frames_c[row] = behind_c + covered[at] * (body_c[at] - behind_c)
    return View(frames_c=frames_c, boxes_px=boxes_px, visible=visible)


@dataclass(frozen=True, kw_only=True)
class _Spots:
    """Projected body points of n frames: P round spots on an (H, W) frame."""

    frame_size: tuple[int, int]
    x_px: FloatArray  # (n, P)
    y_px: FloatArray  # (n, P)
    sigma_px: FloatArray  # (n, P)
    temperature_c: FloatArray  # (n, P)
    weight: FloatArray  # (n, P) how much of what is behind a spot it covers
    on_top: FloatArray  # (n, P) how much of the spots under it a spot hides
    touching: FloatArray  # (n, P) 0..1, near what carries the body
    inside: NDArray[np.bool_]  # (n, P)

    def draw(self, weight: FloatArray) -> NDArray[np.float32]:
        """Return the sum of the spots with these weights (n, P), as images (n, H, W)."""
        height, width = self.frame_size
        across = _bell(np.arange(width) + 0.5 - self.x_px[..., None], self.sigma_px)
        down = _bell(np.arange(height) + 0.5 - self.y_px[..., None], self.sigma_px)
        images: NDArray[np.float32] = (down * weight[..., None]).astype(np.float32).transpose(0, 2, 1) @ across.astype(
            np.float32
        )
        return images


def _bell(distance: FloatArray, sigma: FloatArray) -> FloatArray:
    bell: FloatArray = np.exp(-0.5 * (distance / sigma[..., None]) ** 2)
    return bell


def _project(room: Room, track: Track, points: BodyPoints, rows: slice) -> _Spots:
    height, width = room.empty_c.shape
    positions = points.from_joints @ track.joints_m[rows]  # (n, P, 3)
    z_m = np.maximum(positions[..., 2], 0.0)
    pixels_per_m = width / room.size_m[0]
    nearer = SENSOR_HEIGHT_M / (SENSOR_HEIGHT_M - z_m)
    x_px = width / 2 + (positions[..., 0] - room.size_m[0] / 2) * pixels_per_m * nearer
    y_px = height / 2 + (positions[..., 1] - room.size_m[1] / 2) * pixels_per_m * nearer
    radius_px = points.radius_m * pixels_per_m * nearer
    sigma_px = np.hypot(radius_px, OPTICS_BLUR_PX)
    present = (track.labels[rows] != ABSENT)[:, None]
    above_m = z_m - track.support_m[rows, None]
    inside = (x_px >= 0) & (x_px <= width) & (y_px >= 0) & (y_px <= height) & present
    return _Spots(
        frame_size=(height, width), x_px=x_px, y_px=y_px, sigma_px=sigma_px,
        temperature_c=points.temperature_c + track.warmth_c[rows, None],
        weight=points.cover * (radius_px / sigma_px) ** 2 * present,  # blur spreads warmth without adding any
        on_top=np.exp(3.0 * above_m),
        touching=np.clip(1.0 - above_m / 0.25, 0.0, 1.0),
        inside=inside,
    )  # fmt: skip


def _find_boxes(seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return left, top, right, bottom (n, 4) of what is seen in (n, H, W); right and bottom are exclusive."""
    columns: NDArray[np.bool_] = np.any(seen, axis=1)
    lines: NDArray[np.bool_] = np.any(seen, axis=2)
    left, top = columns.argmax(axis=1), lines.argmax(axis=1)
    right = columns.shape[1] - columns[:, ::-1].argmax(axis=1)
    bottom = lines.shape[1] - lines[:, ::-1].argmax(axis=1)
    boxes: NDArray[np.int64] = np.stack((left, top, right, bottom), axis=-1)
    boxes[~np.any(columns, axis=1)] = 0
    return boxes


def add_sensor_errors(
    frames_c: NDArray[np.float32],
    times_s: FloatArray,
    *,
    noise_c: float,
    fixed_pattern_c: FloatArray,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return the frames (N, H, W) with fixed pattern (H, W), slow drift and noise, in steps of 0.1 deg C."""
    drift_c = 0.3 * np.sin(2 * np.pi * (times_s / rng.uniform(200.0, 600.0) + rng.random()))
    errors = rng.standard_normal(frames_c.shape, dtype=np.float32) * np.float32(noise_c)
    errors += (drift_c[:, None, None] + fixed_pattern_c).astype(np.float32)
    return np.round((frames_c + errors).astype(np.float64), 1).astype(np.float32)


def lose_packets(frames_c: NDArray[np.float32], *, share: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the frames (N, H, W) of which `share`, and never the first, lost one to four packets.

    The pixels that arrive are written one after the other from the start; the tail is filled with 0 K.
    """
    num_frames = len(frames_c)
    num_pixels = frames_c[0].size
    packet = max(1, round(PACKET_SHARE * num_pixels))
    arrived = frames_c.reshape(num_frames, num_pixels).copy()
    for row in 1 + rng.choice(num_frames - 1, size=round(share * (num_frames - 1)), replace=False):
        num_lost = 1 + rng.choice(4, p=(0.7, 0.14, 0.12, 0.04))
        lost = rng.choice(4, size=num_lost, replace=False)
        kept = ~np.isin(np.arange(num_pixels) // packet, lost)
        pixels = arrived[row, kept]
        arrived[row] = LOST_PIXEL_C
        arrived[row, : len(pixels)] = pixels
    return arrived.reshape(frames_c.shape)


def deliver(
    times_s: FloatArray, *, start_ms: int, stall_s: tuple[float, float], stalls_every_s: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return when each frame arrives, (N,) int64 ms, strictly increasing.

    The sensor measures at an even pace. Now and then the link stalls; what queued up meanwhile then arrives in a burst,
    one frame about every 37 ms, until the link has caught up. Gaps so made agree with the real recordings'.

    Args:
        times_s: (N,) when each frame is measured, from 0.
        start_ms: when the session starts, ms since 1970.
        stall_s: median and longest stall, s.
        stalls_every_s: mean time from one stall to the next.
        rng: of stalls and jitter.
    """
    median_s, longest_s = stall_s
    arrivals_ms = np.empty(len(times_s), dtype=np.int64)
    free_ms = 0.0
    next_stall_s = rng.exponential(stalls_every_s)
    for row, time_s in enumerate(times_s):
        if time_s >= next_stall_s:
            stalled_s = min(median_s * float(rng.lognormal(0.0, 0.35)), longest_s)
            free_ms = max(free_ms, 1000.0 * (time_s + stalled_s))
            next_stall_s = time_s + stalled_s + rng.exponential(stalls_every_s)
        arrival_ms = max(1000.0 * time_s + rng.normal(0.0, 8.0), free_ms)
        arrivals_ms[row] = round(arrival_ms)
        free_ms = arrival_ms + max(8.0, rng.normal(37.0, 2.5))
    return arrivals_ms + start_ms
