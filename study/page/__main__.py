"""``python -m study.page [where]``: write the page, one HTML file; by default docs/index.html."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import librosa
import numpy as np
from scipy.signal import sosfilt_zi

from mvae_lib import load
from mvae_lib.data.speech import FRAME, MFCC, RATE
from mvae_lib.storage import write
from study.app.pen import EXAMPLES
from study.app.sound import HIGH
from study.page.stored import STORED
from study.page.weights import MODEL, packed, reduced

SOURCE = Path(__file__).parent
SCRIPTS = "network sound drawing word paint pen map answer address microphone card main".split()
"""The modules of `js`, each after those that it imports."""


def page() -> str:
    """The whole page: the same text each time, for the same weights and the same sources."""
    header, weights = packed(reduced(load(MODEL)))
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    if len(stored["noise"][0]) != len(header["latent"]["dimensions"]):
        raise ValueError(f"{STORED.name} is of another model than {MODEL!r}; measure it again: python -m study.page.stored")
    data = {"header": header, "stored": stored, "numerals": EXAMPLES, "sound": analysis()}
    held = f'<script type="application/json" id="data">{json.dumps(data, separators=(",", ":"))}</script>\n'
    held += f'    <script type="text/plain" id="weights">{weights}</script>'
    html = (SOURCE / "index.html").read_text(encoding="utf-8")
    for mark, text in {
        "/* page.css */": (SOURCE / "page.css").read_text(encoding="utf-8"),
        "<!-- data -->": held,
        "/* script */": script(),
    }.items():
        assert html.count(mark) == 1, f"{mark} stands {html.count(mark)} times in index.html"
        html = html.replace(mark, text)
    return html


def script() -> str:
    """The modules in one script, each a function that is called once and gives what it exports."""
    return "\n".join(_called(name, (SOURCE / "js" / f"{name}.js").read_text(encoding="utf-8")) for name in SCRIPTS)


def _called(name: str, text: str) -> str:
    exported = re.findall(r"^export (?:async )?(?:function|const) \[?([\w, ]+)", text, flags=re.M)
    text = re.sub(r'^import (\{.*\}) from "\./(\w+)\.js";$', r"const \1 = $\2;", text, flags=re.M)
    text = re.sub(r"^export ", "", text, flags=re.M)
    names = ", ".join(part.strip() for part in exported)
    return f"const ${name} = (() => {{\n{text}return {{ {names} }};\n}})();"


def analysis() -> dict[str, Any]:
    """What sound.js and word.js need of librosa and scipy: mel filters, by row where they begin; the high-pass filter."""
    mels = librosa.filters.mel(sr=RATE, n_fft=FRAME, n_mels=MFCC["n_mels"])  # [40, 101]
    rows = [np.flatnonzero(row) for row in mels]
    filters = [{"from": int(row[0]), "values": _short(mels[m, row[0] : row[-1] + 1])} for m, row in enumerate(rows)]
    sections = np.asarray(HIGH)
    pad = 3 * (2 * len(sections) + 1 - min((sections[:, 2] == 0).sum(), (sections[:, 5] == 0).sum()))  # scipy's own
    return {"mels": filters, "high": {"sections": _short(sections), "states": _short(sosfilt_zi(sections)), "pad": int(pad)}}


def _short(values: np.ndarray) -> Any:
    """In ten digits: the last ones differ from machine to machine."""
    return json.loads(json.dumps(values.astype(float).tolist()), parse_float=lambda text: float(f"{float(text):.10g}"))


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE.parents[1] / "docs" / "index.html"
    write(path, lambda part: part.write_text(page(), encoding="utf-8"))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
