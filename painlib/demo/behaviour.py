"""What a drawn mouse does over a recording: looks around, rears, grooms, sniffs, sleeps; what its face shows.

Only the five action units know the latent pain. Every other signal is drawn from the same distributions
whatever the phase, label or treatment, from random streams that the pain never touches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from .head import Shot
from .individuals import Face, Individual, Pose
from .meshes import Floats
from .pain import ornstein_uhlenbeck
from .stage import PIXELS_A_MM, Camera

TICKS_A_SECOND = 10.0  # at least; movement between two frames is followed at this rate
LOOKS_A_SECOND = 0.3  # changes of gaze
LOOKS_OUTSIDE = 0.12  # share of gazes that are drawn to the open sides
NECK_LIMIT_DEG = 50.0
SLEEP_EVERY_S = 600.0
SLEEP_LENGTH_S = (15.0, 45.0)
SHUTTER_S = 1 / 40
MOTION_LIMIT_PX = 11.0
JITTER_UNITS = 0.12  # sd of an action unit that has nothing to do with pain


@dataclass(frozen=True)
class Behaviour:
    """One animal over one recording, (n_frames,) each where not said; degrees, mm, px at 480 px width."""

    time_s: Floats
    latent_pain: Floats
    action_units: Floats  # (n, 5), 0-2
    yaw: Floats
    pitch: Floats
    roll: Floats
    body_yaw: Floats
    position: Floats  # (n, 3)
    velocity: Floats  # (n, 3) of the face, mm/s
    paws_up: Floats
    asleep: NDArray[np.bool_]
    sleep_closure: Floats
    sniff: Floats
    ear_turn: Floats  # (n, 2)
    defocus_px: Floats  # (n, 2 cameras)
    gain: Floats  # (2,) of the cameras in this recording
    warmth: Floats  # (2,)
    noise_seed: NDArray[np.int64]  # (n, 2)

    def __len__(self) -> int:
        return len(self.time_s)

    def pose(self, frame: int) -> Pose:
        """Where the mouse is in `frame`."""
        x, y, z = self.position[frame].tolist()
        return Pose(
            (x, y, z),
            float(self.yaw[frame]),
            float(self.pitch[frame]),
            float(self.roll[frame]),
            float(self.body_yaw[frame]),
            float(self.paws_up[frame]),
        )

    def face(self, frame: int) -> Face:
        """What the face does in `frame`."""
        return Face(
            tuple(self.action_units[frame].tolist()),
            float(self.sleep_closure[frame]),
            float(self.sniff[frame]),
            tuple(self.ear_turn[frame].tolist()),
        )

    def shot(self, frame: int, camera: Camera) -> Shot:
        """How `camera` takes `frame`."""
        k = "AB".index(camera.name)
        motion = camera.axes[:2] @ self.velocity[frame] * PIXELS_A_MM * 480 * SHUTTER_S
        motion *= min(1.0, MOTION_LIMIT_PX / max(float(np.hypot(*motion)), 1e-6))
        return Shot(
            float(self.gain[k]),
            float(self.warmth[k]),
            (1.0, 1.2)[k],
            float(self.defocus_px[frame, k]),
            (float(motion[0]), float(motion[1])),
            int(self.noise_seed[frame, k]),
        )


def simulate_behaviour(
    animal: Individual, latent: Floats, strength: float, fps: float, seed: np.random.SeedSequence
) -> Behaviour:
    """A recording of `latent` (n_frames,) pain 0-1, expressed with `strength` (0: not at all)."""
    n = len(latent)
    streams = [np.random.default_rng(child) for child in seed.spawn(8)]
    each = max(1, int(np.ceil(TICKS_A_SECOND / fps)))
    ticks, step = n * each, 1.0 / (fps * each)
    at = np.arange(n) * each
    asleep, closure = draw_sleep(ticks, step, streams[0])
    yaw = draw_gaze(ticks, step, asleep, streams[1])
    body = smooth(yaw, 1.5, step)
    body = yaw - np.clip(yaw - body, -NECK_LIMIT_DEG, NECK_LIMIT_DEG)
    rear, groom = draw_acts(ticks, step, asleep, streams[2])

    def wander(memory_s: float) -> Floats:
        return ornstein_uhlenbeck(ticks, step, memory_s, streams[3])

    awake = 1 - closure
    pitch = -8 + awake * (8 * wander(3.0) + 24 * rear - 20 * groom) - 10 * closure
    roll = 6 * wander(3.0) * awake
    forward = np.stack([np.cos(np.radians(body)), np.sin(np.radians(body))], axis=1)
    floor = np.clip(np.stack([8 * wander(25.0), 8 * wander(25.0)], axis=1), -14, 14) + 14 * forward
    height = 17.5 + 1.2 * np.clip(wander(8.0), -2, 2) + 17 * rear - 1.5 * groom - 1.5 * closure
    position = np.column_stack([floor, height])
    sniffing = streams[4].random(n) < 0.35
    sniff = sniffing * np.sin(2 * np.pi * streams[4].random(n)) * awake[at]
    ears = np.stack([6 * ornstein_uhlenbeck(n, 1 / fps, 2.0, streams[5]) for _ in range(2)], axis=1)
    return Behaviour(
        time_s=np.arange(n) / fps,
        latent_pain=np.asarray(latent, float),
        action_units=express(animal, latent, strength, fps, streams[6]),
        yaw=yaw[at], pitch=pitch[at], roll=roll[at], body_yaw=body[at], position=position[at],
        velocity=face_velocity(position, yaw, pitch, step)[at],
        paws_up=np.clip(1.6 * groom[at] + 0.7 * rear[at], 0, 1),
        asleep=asleep[at], sleep_closure=closure[at], sniff=sniff, ear_turn=ears,
        **draw_optics(n, fps, streams[7]),
    )  # fmt: skip


def express(
    animal: Individual, latent: Floats, strength: float, fps: float, rng: np.random.Generator
) -> Floats:
    """Action units (n, 5), 0-2: latent pain 1 at strength 1 is a plain 2 by the published scale."""
    n = len(latent)
    own = np.asarray(animal.unit_baselines) * rng.uniform(0.7, 1.3, 5)
    jitter = np.stack([ornstein_uhlenbeck(n, 1 / fps, 3.0, rng) for _ in range(5)], axis=1)
    pain = 2.0 * strength * np.asarray(latent)[:, None] * np.asarray(animal.unit_weights)
    return np.clip(pain + own + JITTER_UNITS * jitter, 0.0, 2.0)


def draw_spells(
    duration_s: float, every_s: float, draw_length: Callable[[], float], rng: np.random.Generator
) -> Iterator[tuple[float, float]]:
    """Begin and end (s, within 0 and `duration_s`) of spells with pauses of `every_s` on average.

    They began long before the recording, so that its first minute is like any other.
    """
    at = -3 * every_s + float(rng.exponential(every_s))
    while at < duration_s:
        end = at + float(draw_length())
        if end > 0:
            yield max(at, 0.0), min(end, duration_s)
        at = end + float(rng.exponential(every_s))


def draw_sleep(n: int, step: float, rng: np.random.Generator) -> tuple[NDArray[np.bool_], Floats]:
    """Asleep or not, and how far that shuts the lids (0-1), (n,) each."""
    asleep = np.zeros(n, bool)
    for begin, end in draw_spells(n * step, SLEEP_EVERY_S, lambda: rng.uniform(*SLEEP_LENGTH_S), rng):
        asleep[round(begin / step) : round(end / step)] = True
    return asleep, smooth(asleep.astype(float), 0.7, step)


def draw_gaze(n: int, step: float, asleep: NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    """Head yaw (n,), degrees, unbounded: quick turns to all sides, a little more often to the open ones.

    Two walls of the stage are black, the cameras stand at 0 and 90 degrees. No turns in sleep.
    """
    turns = np.flatnonzero((rng.random(n) < LOOKS_A_SECOND * step) & ~asleep)
    looks = rng.uniform(0, 360, len(turns) + 1)
    outside = rng.random(len(looks)) < LOOKS_OUTSIDE
    looks[outside] = rng.uniform(-20, 110, int(outside.sum()))
    way = np.zeros(n)
    way[turns] = (np.diff(looks) + 180) % 360 - 180
    target = looks[0] + np.cumsum(way)
    drift = 7 * ornstein_uhlenbeck(n, step, 2.0, rng)
    return smooth(smooth(target, 0.10, step), 0.10, step) + drift


def draw_acts(
    n: int, step: float, asleep: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Rearing and grooming, 0-1, (n,) each."""
    acts = np.zeros((2, n))
    for begin, end in draw_spells(n * step, 16.0, lambda: 0.3 + rng.exponential(3.0), rng):
        acts[int(rng.integers(2)), round(begin / step) : round(end / step)] = 1.0
    acts *= ~asleep
    return smooth(acts[0], 0.25, step), smooth(acts[1], 0.25, step)


def draw_optics(n: int, fps: float, rng: np.random.Generator) -> dict[str, NDArray]:
    """Light and focus of two cameras: B a little darker and warmer; now and then out of focus for seconds."""
    frames = np.arange(n) / fps
    defocus = np.zeros((n, 2))
    for k in range(2):
        for begin, end in draw_spells(n / fps, 90.0, lambda: rng.uniform(2.0, 6.0), rng):
            defocus[(frames >= begin) & (frames < end), k] = rng.uniform(0.7, 1.8)
    return {
        "defocus_px": defocus,
        "gain": np.array([1.0, 0.92]) * np.clip(rng.normal(1, 0.02, 2), 0.95, 1.05),
        "warmth": np.array([1.0, 1.025]) * np.clip(rng.normal(1, 0.006, 2), 0.985, 1.015),
        "noise_seed": rng.integers(2**31, size=(n, 2)),
    }


def smooth(signal: Floats, memory_s: float, step: float) -> Floats:
    """Exponential follow-up of `signal` (n,), starting on it."""
    keep = np.exp(-step / memory_s)
    return lfilter([1 - keep], [1, -keep], signal, zi=np.array([keep * signal[0]]))[0]


def face_velocity(position: Floats, yaw: Floats, pitch: Floats, step: float) -> Floats:
    """Velocity (n, 3) mm/s of a point between the eyes, from the movement of the head."""
    y, p = np.radians(yaw), np.radians(pitch)
    point = position + 6.0 * np.stack([np.cos(y) * np.cos(p), np.sin(y) * np.cos(p), np.sin(p)], axis=1)
    return np.gradient(point, step, axis=0) if len(point) > 1 else np.zeros_like(point)
