"""What the study runs on where there is neither a mirror nor a network: drawn digits and synthetic voices.

Not data: nobody wrote or said any of it. It has the form that the readers give the real sets, and is easy enough to learn that
every notebook has something to show. Strokes, hands, phones and voices stand in standin.json beside this file; here is how they
vary. All is a pure function of one fixed seed, made once a process: the arrays are shared, do not write to them.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from mvae_lib.data.digits import SIDE, Images, Labels
from mvae_lib.data.speech import RATE, Recording

SEED = 20
POINTS = 128  # discs of ink that make a digit
TAKES = 20  # recordings of each word by each voice
SHORTEST, LONGEST = 0.25, 0.7  # seconds of sound
ASSET: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))


@cache
def digits(script: Literal["farsi", "kannada"], part: Literal["train", "test", "test_dig"]) -> tuple[Images, Labels]:
    """Handwriting that nobody wrote, with the traps of the real sets.

    Farsi: tight binary crops of any size, as HODA's; each by another hand; 6,000 train, 2,050 test. Kannada: ``[n, 28, 28]`` with
    grey edges, longer side about 20 pixels, centred; labels are index mod 10 and each block of 128 is one writer's; 6,000 train,
    1,000 test by wilder hands, 1,020 test_dig wilder and wider still, some with a ruled line left in. ValueError for other parts.
    """
    from scipy.ndimage import find_objects

    hands = ASSET["hands"][script]
    if part not in hands:
        raise ValueError(f"The stand-in's {script} has no {part}; it has {', '.join(hands)}.")
    hand, rng = hands[part], np.random.default_rng([SEED, *script.encode(), *part.encode()])
    labels, writer = np.arange(hand["images"]) % 10, np.arange(hand["images"]) // hand["writer"]
    points = _written(ASSET["strokes"][script], labels, writer, hand, rng)  # [n, P, 2]
    size, pen = (_habit(hand[name], writer, rng) for name in ("size", "pen"))
    pens = pen[:, None] * (1 + 0.15 * np.sin(2 * np.pi * (np.linspace(0, 1.5, POINTS) + rng.random((len(pen), 1)))))  # [n, P]
    if script == "farsi":
        crops = [(_ink(p * s, r) > 0.5).astype(np.uint8) for p, s, r in zip(points, size, pens, strict=True)]
        return [255 * crop[find_objects(crop)[0]] for crop in crops], labels.astype(np.uint8)
    points *= ((np.minimum(size, SIDE - 4) - 2 * pen) / np.ptp(points, axis=1).max(1))[:, None, None]  # off the border
    points += (SIDE - 1) / 2 + rng.normal(0, 0.35, (len(points), 1, 2))
    images = np.stack([_ink(p, r, SIDE) for p, r in zip(points, pens, strict=True)])
    for i in np.flatnonzero(rng.random(len(images)) < hand["ruled"]):
        images[i, 1:-1, rng.integers(1, 5)] = 1
    return (images * 255).round().astype(np.uint8), labels.astype(np.uint8)


def _habit(spread: list, writer: np.ndarray, rng: np.random.Generator, factor: bool = True) -> Float[np.ndarray, "n"]:
    """[mean, between, within] -> each image's value: the mean, times (or plus) its writer's habit and its own."""
    mean, between, within = spread
    departure = rng.normal(0, between, writer[-1] + 1)[writer] + rng.normal(0, within, len(writer))  # [writers] -> [n]
    return mean * np.exp(departure) if factor else mean + departure


def _written(alphabet: list, labels: np.ndarray, writer: np.ndarray, hand: dict, rng: np.random.Generator) -> np.ndarray:
    """Each label as its writer forms it -> points ``[n, P, 2]`` in digit heights, around the origin."""
    n = len(labels)
    other = rng.random((writer[-1] + 1, 10))[writer, labels] < 0.3  # a writer keeps to one form of a digit
    points = np.empty((n, POINTS, 2))
    for digit, forms in enumerate(alphabet):
        for form, strokes in enumerate(forms):
            chosen = np.flatnonzero((labels == digit) & (np.minimum(other, len(forms) - 1) == form))
            controls, weights = _curve(strokes)
            shaken = controls + rng.normal(0, hand["jitter"], (len(chosen), *controls.shape))
            points[chosen] = np.einsum("pc,ncd->npd", weights, shaken)
    for _ in range(2):  # slow waves bend the digit
        wave, way = rng.uniform(-0.9, 0.9, (n, 2)), rng.normal(0, hand["bend"], (n, 1, 2))
        turn = np.einsum("npd,nd->np", points, wave) + rng.random((n, 1))  # [n, P]
        points += way * np.sin(2 * np.pi * turn)[..., None]
    width = _habit(hand["width"], writer, rng)
    slant, angle = (_habit(hand[name], writer, rng, factor=False) for name in ("slant", "angle"))
    x, y = _centred(points).transpose(2, 1, 0)  # [n, P, 2] -> [P, n] twice
    x = width * x - slant * y  # y points down
    return _centred(np.stack([np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y]).transpose(2, 1, 0))


def _centred(points: Float[np.ndarray, "n P 2"]) -> Float[np.ndarray, "n P 2"]:
    """The middle of each digit's box at the origin."""
    return points - (points.max(1, keepdims=True) + points.min(1, keepdims=True)) / 2


def _curve(strokes: list) -> tuple[Float[np.ndarray, "C 2"], Float[np.ndarray, "P C"]]:
    """Strokes -> control points, and weights that make POINTS of them, evenly spread: Catmull-Rom splines (1974) through all."""
    from scipy.interpolate import CubicHermiteSpline

    controls, index = np.unique(np.concatenate(strokes), axis=0, return_inverse=True)  # a shared end moves as one
    rows = []
    for ids in np.split(index.ravel(), np.cumsum([len(stroke) for stroke in strokes])[:-1]):
        last, knots = len(ids) - 1, np.eye(len(controls))[ids]  # [last + 1, C]
        before, after = (-2, 1) if ids[0] == ids[-1] else (0, -1)  # a closed stroke goes round
        around = np.concatenate([knots[[before]], knots, knots[[after]]])
        spline = CubicHermiteSpline(np.arange(last + 1), knots, (around[2:] - around[:-2]) / 2)
        rows.append(spline(np.linspace(0, last, 40 * last + 1)))  # [T, C]
    weights = np.concatenate(rows)  # [sum of T, C]
    step = np.linalg.norm(np.diff(weights @ controls, axis=0, prepend=0), axis=1)
    step[np.cumsum([0, *map(len, rows[:-1])])] = 0  # no ink while the pen is up
    travelled = step.cumsum()
    return controls, weights[np.searchsorted(travelled, np.linspace(0, travelled[-1], POINTS))]


def _ink(points: Float[np.ndarray, "P 2"], pens: Float[np.ndarray, "P"], side: int = 0) -> Float[np.ndarray, "h w"]:
    """Discs at `points` of radii `pens`, in pixels -> ink in [0, 1]: ``[side, side]``, or (0) as large as they need."""
    if not side:
        points = points - points.min(0) + pens.max() + 1
    width, height = (side, side) if side else np.ceil(points.max(0) + pens.max() + 2).astype(int)
    points, radii, pen = points.astype(np.float32), pens.astype(np.float32), np.float32(pens.mean())
    across = (np.arange(width, dtype=np.float32) - points[:, :1]) ** 2  # [P, w]
    down = (np.arange(height, dtype=np.float32) - points[:, 1:]) ** 2 - radii[:, None] ** 2  # [P, h]
    power = (down[:, :, None] + across[:, None, :]).min(0)  # [P, h, w] -> [h, w]; squared distance, less the radius squared
    return np.clip(0.5 - (np.sqrt(np.maximum(power + pen**2, 0)) - pen), 0, 1)


@cache
def recordings() -> list[Recording]:
    """Ten words in six voices, 20 takes each, sorted by file name: 1,200 recordings, 8 kHz int16, 0.25 to 0.7 s.

    A glottal pulse train through four formants in a row (a cascade synthesiser: Klatt, JASA 67(3), 1980), and noise through
    one more for the consonants; pitch, tempo, loudness and formants differ by voice, and a little by take.
    """
    spoken, said = [], [(digit, take) for digit in range(len(ASSET["words"])) for take in range(TAKES)]
    for i, (speaker, voice) in enumerate(ASSET["voices"].items()):
        rng = np.random.default_rng([SEED, i])
        scores = [_score(ASSET["words"][digit], voice, rng) for digit, _ in said]
        longest = max(score.shape[1] for score in scores)
        tracks = np.stack([np.pad(score, ((0, 0), (0, longest - score.shape[1]))) for score in scores], axis=2)  # [8, L, R]
        for (digit, take), score, wave in zip(said, scores, _sing(tracks, voice, rng).T, strict=True):
            wave = wave[: score.shape[1]]
            level = 12000 * voice["loud"] * np.exp(rng.normal(0, 0.2)) / np.abs(wave).max()
            samples = level * wave + rng.normal(0, 12, len(wave))
            spoken.append(Recording(digit, speaker, take, samples.round().clip(-32768, 32767).astype(np.int16)))
    return sorted(spoken, key=lambda recording: recording.name)


def _score(word: list, voice: dict, rng: np.random.Generator) -> Float[np.ndarray, "8 n"]:
    """One take of a word, a value a sample: pitch, three formants, voice, noise, the noise's centre and width."""
    names = ["-", *(name for name, _ in word), "-"]
    targets = np.array([ASSET["phones"][name] for name in names], float)  # [k, 7]
    targets[0, :3], targets[-1, :3] = targets[1, :3], targets[-2, :3]  # the mouth is ready before and still after
    targets[:, :3] *= voice["scale"] * np.exp(rng.normal(0, 0.03, (len(names), 3)))
    spans = np.array([25, *(span for _, span in word), 35]) / 1000 * np.exp(rng.normal(0, 0.12, len(names)))
    total = (spans.sum() / voice["tempo"] * np.exp(rng.normal(0, 0.07))).clip(SHORTEST, LONGEST - 1 / RATE)
    spans *= total / spans.sum()
    joints = spans.cumsum()[:-1]
    glide = np.minimum(0.025, 0.4 * np.minimum(spans[:-1], spans[1:]))
    time = np.arange(int(total * RATE) + 1) / RATE
    knots = np.stack([joints - glide, joints + glide], axis=1).ravel()
    tracks = [np.interp(time, knots, np.stack([track[:-1], track[1:]], axis=1).ravel()) for track in targets.T]
    fall, sway = rng.normal(0.18, 0.06), rng.normal(0, 0.03)
    melody = 1 + fall * (0.5 - time / total) + sway * np.sin(2 * np.pi * time / total)
    return np.stack([voice["pitch"] * np.exp(rng.normal(0, 0.06)) * melody, *tracks])


def _sing(tracks: Float[np.ndarray, "8 L R"], voice: dict, rng: np.random.Generator) -> Float[np.ndarray, "L R"]:
    """Tracks -> sound, every recording at once."""
    pitch, first, second, third, voiced, noisy, centre, width = tracks
    phase = np.cumsum(pitch / RATE, axis=0) % 1 / 0.6  # the glottis is open for 0.6 of a period
    pulse = np.where(phase < 1, 2 * phase - 3 * phase**2, 0)  # flow phase^2 - phase^3, differentiated as lips do
    hiss = rng.standard_normal(pitch.shape)
    sound, fourth = voiced * (pulse + voice["breath"] * hiss), np.full_like(first, 3600)
    for formant, band in ((first, 70), (second, 100), (third, 160), (fourth, 400)):
        sound = _resonate(sound, formant, np.full_like(first, band), peak=False)
    return sound + _resonate(noisy * hiss, centre, width, peak=True)


def _resonate(x: np.ndarray, centre: np.ndarray, band: np.ndarray, peak: bool) -> Float[np.ndarray, "L R"]:
    """A two-pole resonator that moves, all ``[L, R]``, centre and width in Hz; its gain is 1 at 0 Hz, or about 1 at its peak."""
    r = np.exp(-np.pi * band / RATE)
    b, c = 2 * r * np.cos(2 * np.pi * np.minimum(centre, 0.49 * RATE) / RATE), -(r**2)
    y = np.zeros((len(x) + 2, x.shape[1]))
    driven = (1 - r**2 if peak else 1 - b - c) * x
    for n in range(len(x)):
        y[n + 2] = driven[n] + b[n] * y[n + 1] + c[n] * y[n]
    return y[2:]
