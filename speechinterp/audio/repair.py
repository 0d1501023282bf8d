"""Repair of sound files that were copied as if they were text."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

__all__ = ["restored_line_ends"]

LINE_FEED, RETURN = 10, b"\r"
CLEARLY_LESS = 0.9


def restored_line_ends(pcm: bytes, missing: int) -> bytes | None:
    r"""Put back the bytes that a conversion of line ends took out of 16-bit samples.

    A copy in text mode turns every byte pair 13, 10 into 10. In the samples that follow, high and low bytes are
    exchanged, and the rest of the recording is noise.

    Parameters
    ----------
    pcm
        Little-endian 16-bit samples of one channel, without the lost bytes.
    missing
        How many bytes were lost.

    Returns
    -------
    bytes or None
        The samples as they were; None if the loss has another cause, such as a missing end.

    Notes
    -----
    A lost 13 stood before some byte 10. With j bytes put back the samples are read at a shift of j bytes, and
    the sum of \|x[n] - x[n-1]\| is far larger at a wrong shift than at the right one. Dynamic programming
    over the places (bytes 10) and the number put back finds the least sum over all ways to put `missing`
    bytes back. Unless that is clearly less than the sum of the samples as they are (9/10 of it), there was no
    conversion, and the file is only cut off.
    """
    data = np.frombuffer(pcm, np.uint8)
    places = np.flatnonzero(data == LINE_FEED)
    if b"\r\n" in pcm or len(places) < missing:
        return None
    n = (len(data) + missing) // 2
    rough = [_roughness(data, shift, n) for shift in range(missing + 1)]
    firsts = [np.minimum((places + shift) // 2, n) for shift in range(missing + 1)]
    best = rough[0][firsts[0]]
    chosen: list[npt.NDArray[np.int64]] = []
    for shift in range(1, missing):
        start = best - rough[shift][np.minimum(firsts[shift - 1] + 1, n)]
        smallest = np.minimum.accumulate(start)
        is_new = np.r_[True, start[1:] < smallest[:-1]]
        where = np.maximum.accumulate(np.where(is_new, np.arange(len(places)), 0))
        chosen.append(np.r_[0, where[:-1]])
        best = np.r_[np.iinfo(np.int64).max // 2, smallest[:-1]] + rough[shift][firsts[shift]]
    total = best + rough[missing][n] - rough[missing][np.minimum(firsts[missing - 1] + 1, n)]
    last = int(total.argmin())
    if total[last] > CLEARLY_LESS * rough[0][len(data) // 2]:
        return None
    order = [last]
    for step in reversed(chosen):
        order.append(int(step[order[-1]]))
    cuts = [0, *(int(places[i]) for i in reversed(order)), len(pcm)]
    return RETURN.join(pcm[a:b] for a, b in pairwise(cuts))


def _roughness(data: npt.NDArray[np.uint8], shift: int, n: int) -> npt.NDArray[np.int64]:
    r"""Return the running sum of \|x[n] - x[n-1]\| for samples read `shift` bytes later [shape=(n + 1,)]."""
    padded = np.zeros(2 * n, np.uint8)
    taken = data[: 2 * n - shift]
    padded[shift : shift + len(taken)] = taken
    samples = padded.view("<i2").astype(np.int64)
    return np.r_[0, 0, np.cumsum(np.abs(np.diff(samples)))]
