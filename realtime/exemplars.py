"""A recording's frames in few: the spectra that it is made of, and how often each occurs.

Two recordings of different words or notes still share sounds. Where these stand apart, and not
where the averages do, is where a filter stood between: so a style is more than averages, and
keeps these spectra too. NumPy only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Spectra = npt.NDArray[np.float32]

COUNT = 64
RANGE_DB = 60.0  # frames further than this under the loudest are silence
ROUNDS = 6


def exemplars(frames_db: Spectra) -> tuple[Spectra, npt.NDArray[np.float32]]:
    """The centres of a recording's frames, and the share of the frames at each.

    frames_db: (frames, bands), each band's density in dB. Returns (COUNT, bands) and (COUNT,),
    which sums to 1; of fewer frames than COUNT all are kept, and what is left over is zero. By
    Lloyd's rounds (k-means) from frames evenly spread over the range of levels, without chance:
    the same recording gives the same.

    Source: S. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28 (1982).
    """
    level = np.log10(np.power(10.0, 0.1 * frames_db).mean(axis=1) + 1e-30)
    heard = frames_db[level >= level.max() - 0.1 * RANGE_DB]
    centres = np.zeros((COUNT, frames_db.shape[1]), np.float32)
    shares = np.zeros(COUNT, np.float32)
    if len(heard) <= COUNT:
        centres[: len(heard)] = heard
        shares[: len(heard)] = 1.0 / len(heard)
        return centres, shares
    by_level = heard[np.argsort(level[level >= level.max() - 0.1 * RANGE_DB], kind="stable")]
    centres[:] = by_level[np.linspace(0, len(heard) - 1, COUNT).round().astype(int)]
    for _ in range(ROUNDS):
        near = (np.square(centres).sum(axis=1) - 2.0 * by_level @ centres.T).argmin(axis=1)
        belongs = (near == np.arange(COUNT)[:, None]).astype(np.float32)
        members = belongs.sum(axis=1)
        taken = members > 0.0
        centres[taken] = (belongs[taken] @ by_level) / members[taken, None]
    return centres, members / np.float32(len(heard))
