"""Every figure again from its saved CSV, no training: ``python -m mvae_lib.figures.redraw``.

A picture of a table needs its CSV alone. A picture with samples in it finds them by split and index, so it needs the data.
"""

import os
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mvae_lib import checkpoint, data, evaluate
from mvae_lib.data.sources import ROOT
from mvae_lib.figures import choices, claims, evidence, experts, latent, results, samples, sound, speed, style
from mvae_lib.model import MVAE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SAVED = ROOT / "figures"
"""The committed CSVs."""


class Shelf:
    """What pictures with samples in them take: the shipped model, its splits, raw recordings and crops, each loaded once."""

    @cached_property
    def model(self) -> MVAE:
        return checkpoint.load("as_run")

    @cache  # noqa: B019 (one shelf a process)
    def split(self, name: str) -> data.Triplets:
        return data.load(name, self.model.spec.data)

    @cached_property
    def recordings(self) -> dict[str, data.Recording]:
        return {recording.name: recording for recording in data.recordings()}


FROM_TABLE: "dict[str, Callable[[pd.DataFrame], Figure]]" = {
    "table1": lambda frame: samples.table(frame, "Table 1: training and testing sizes"),
    "class_balance": samples.balance,
    "grey_levels": samples.grey_levels,
    "mfcc_views": samples.views,
    "confusion_class_means": samples.confusion,
    "confusion_across_scripts": samples.confusion,
    "poe_1d": experts.gaussians,
    "poe_2d": experts.ellipses,
    "poe_numerics": experts.numerics,
    "seven_experts": experts.experts_by_index,
    "fig2_architecture": experts.architecture,
    "fig3_as_run": results.convergence,
    "fig3_as_written": results.convergence,
    "terms_as_run": results.every_term,
    "terms_as_written": results.every_term,
    "first_steps": results.first_steps,
    "nearest_rule": results.nearest_rule,
    "speed_steps": speed.ladder,
    "speed_profile": speed.profile,
    "speed_targets": speed.targets,
    "speed_precision": speed.precision,
    "speed_scale": speed.scale,
    "speed_batch": speed.batch,
    "speed_start": speed.start,
    "speed_browser": speed.browser,
    "speed_page": speed.page,
    "coherence": evidence.coherence,
    "calibration": evidence.calibration,
    "gains": evidence.gains,
    "beliefs_seven": evidence.beliefs,
    "table2": results.combination_table,
    "speech_seven": results.speech_bars,
    "latent_kl": latent.kl_spectrum,
    "labels_along": latent.labels_along,
    "latent_seeds": latent.over_seeds,
    "seeds_as_run": claims.seeds,
    "seeds_as_written": claims.seeds,
    "classifiers": claims.classifiers,
    "speakers": claims.speakers,
    "added": claims.added,
    "likelihood": claims.likelihood,
    "missing": claims.missing,
    "heard": sound.heard,
    "sweeps": latent.sweeps,
    "information": latent.information,
    "disentanglement": latent.scores,
    "overlap": evidence.agnostic,
    "probes": evidence.probes,
    "departure": evidence.departure,
    "claims": claims.verdicts,
    "choice_rebuilt": choices.question,
    "choice_beta": choices.question,
    "choice_label_term": choices.question,
    "choice_speech_coefficient": choices.question,
    "choice_latent_size": choices.question,
    "choice_speech_view": choices.question,
    "choice_logvar_heads": choices.question,
    "choice_activation": choices.question,
    "posterior_widths": choices.widths,
    "gradients": choices.gradients,
    "search_history": choices.history,
    "search_importances": choices.importances,
    "contest": choices.contest,
}


def _sheet(frame: "pd.DataFrame", shelf: Shelf) -> "Figure":
    pools = shelf.split("train").pools
    images = {
        name: pools[name][torch.tensor(part["index"].to_numpy())] / 255 for name, part in frame.groupby("modality", sort=False)
    }
    return samples.sheet(images, "Figure 1: samples of the digits 0 to 9, a column a digit")  # type: ignore[arg-type]


def _class_means(frame: "pd.DataFrame", shelf: Shelf) -> "Figure":
    means = {name: torch.tensor(shelf.model.card["class_means"][name]) for name in ("farsi", "kannada")}
    return samples.sheet(means, "The mean training picture of each digit")


def _crops(frame: "pd.DataFrame", shelf: Shelf) -> "Figure":
    crops, _ = data.farsi_crops(int(frame["index"].max()) + 1)
    return samples.crops([crops[i] for i in frame["index"]])


def _pairing(frame: "pd.DataFrame", shelf: Shelf) -> "Figure":
    drawn = [
        shelf.split("train").repaired(row.epoch).gather([row.index_])[0]
        for row in frame.rename(columns={"index": "index_"}).itertuples()
    ]
    x = {name: torch.cat([one[name] for one in drawn]) for name in drawn[0]}
    return samples.triplets(x, [f"epoch {epoch}" for epoch in frame["epoch"]])


def _seven(frame: "pd.DataFrame", shelf: Shelf) -> "Figure":
    index = int(frame["index"].iloc[0])
    return samples.triplets(shelf.split("test").gather([index])[0], [f"test, triplet {index}"])


def _seven_pixels(frame: "pd.DataFrame", shelf: Shelf) -> "Figure":
    x, _ = shelf.split("test").gather([int(frame["index"].iloc[0])])
    return samples.pixels({name: value[0] for name, value in x.items()})


def _waves(frame: "pd.DataFrame", shelf: Shelf) -> "Figure":
    return samples.spoken([shelf.recordings[name] for name in frame["index"]])


def _spectrograms(frame: "pd.DataFrame", shelf: Shelf) -> "Figure":
    spoken = checkpoint.load("spoken")
    found, _ = evaluate.sounds_of(spoken, data.load(frame["split"].iloc[0], spoken.spec.data), int(frame["place"].iloc[0]))
    return sound.spectrograms(found)


def _strips(modality: str) -> "Callable[[pd.DataFrame, Shelf], Figure]":
    def draw(frame: "pd.DataFrame", shelf: Shelf) -> "Figure":
        places = frame.loc[frame["given"] == "original", "place"].tolist()
        images, again = evaluate.strips(shelf.model, shelf.split("test"), places, modality)
        return results.reconstructions(again, images, modality)

    return draw


def _images(frame: "pd.DataFrame", shelf: Shelf) -> dict:
    first = frame.iloc[0]
    amounts = torch.tensor(frame["amount"].to_numpy(), dtype=torch.float32)
    images, _ = evaluate.walk(shelf.model, shelf.split("test"), int(first["place"]), int(first["index"]), amounts)
    return {name: images[name].numpy() for name in ("farsi", "kannada")}


def _grid(modality: str) -> "Callable[[pd.DataFrame, Shelf], Figure]":
    return lambda frame, shelf: latent.sweep_grid(frame, _images(frame, shelf)[modality], modality)


def _walk(frame: "pd.DataFrame", shelf: Shelf) -> "Figure":
    return latent.walk(frame, _images(frame, shelf))


def _beside(frame: "pd.DataFrame", shelf: Shelf) -> "Figure":
    places = frame.loc[(frame["row"] == "original") & (frame["target"] == "farsi"), "place"].tolist()
    images, again = evaluate.beside_class_means(shelf.model, shelf.split("test"), places)
    return claims.beside_class_means(again, images)


def _best(frame: "pd.DataFrame", shelf: Shelf) -> "Figure":
    indices = dict(zip(frame["factor"], frame["index"], strict=True))
    images, again = evaluate.walks(shelf.model, shelf.split("test"), int(frame["place"].iloc[0]), indices)
    return latent.best_indices(again, {name: images[name].numpy() for name in ("farsi", "kannada")})


WITH_DATA: "dict[str, Callable[[pd.DataFrame, Shelf], Figure]]" = {
    "the_seven": _seven,
    "the_seven_pixels": _seven_pixels,
    "fig1_samples": _sheet,
    "hoda_crops": _crops,
    "class_means": _class_means,
    "waveforms": _waves,
    "spectrograms": _spectrograms,
    "triplet_pairing": _pairing,
    "fig4_farsi": _strips("farsi"),
    "fig4_kannada": _strips("kannada"),
    "fig5_farsi": _grid("farsi"),
    "fig5_kannada": _grid("kannada"),
    "fig5_best_farsi": _grid("farsi"),
    "fig5_best_kannada": _grid("kannada"),
    "walk_201": _walk,
    "walk_top": _walk,
    "beside_class_means": _beside,
    "best_indices": _best,
}


def redraw(saved: Path = SAVED) -> "pd.DataFrame":
    """Draw every figure whose CSV lies in `saved`, into `style.folder`; a row a figure: its name, and what became of it."""
    import pandas as pd

    shelf, real, rows = Shelf(), data.is_real(), []
    for path in sorted(saved.glob("*.csv")):
        name = path.stem
        frame, source = style.saved(name, saved)
        if name in FROM_TABLE:
            style.save(FROM_TABLE[name](frame), name, frame, source)
            became = "drawn"
        elif name in WITH_DATA and real:
            style.save(WITH_DATA[name](frame, shelf), name, frame, source)
            became = "drawn"
        else:
            became = (
                "skipped: its samples need the real data (data/README.md)"
                if name in WITH_DATA
                else "skipped: drawn by its notebook alone"
            )
        rows.append((name, became))
    return pd.DataFrame(rows, columns=["figure", "became"])


if __name__ == "__main__":
    table = redraw()
    print(table.to_string(index=False))
    where = os.path.relpath(style.folder(), ROOT)
    print(f"{(table['became'] == 'drawn').sum()} of {len(table)} figures drawn from figures/*.csv into {where}/")
