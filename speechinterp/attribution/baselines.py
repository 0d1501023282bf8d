"""Baselines: what is heard in the place of a unit that is taken away."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from speechinterp.audio.noise import long_term_spectrum, phase_randomised, shaped_noise
from speechinterp.corpora import Corpus
from speechinterp.errors import AttributionError

__all__ = ["BASELINES", "Baseline", "MeanSpectrum", "check_baseline", "corpus_mean", "filling", "name_of"]

BASELINES = ("silence", "noise", "neighbour", "reversed", "delete")
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class MeanSpectrum:
    """The mean power spectrum of a corpus; as a baseline, noise that has it.

    Parameters
    ----------
    corpus
        Name of the corpus.
    sample_rate
        In Hz.
    power
        [shape=(257,)], of the whole range from 0 to half the sample rate.
    """

    corpus: str
    sample_rate: int
    power: npt.NDArray[np.float64]


Baseline = str | MeanSpectrum | Floats | Tensor


def corpus_mean(corpus: Corpus, sample_rate: int = 16000) -> MeanSpectrum:
    """Measure the baseline that sounds like a corpus on average: noise with its long-term spectrum and level.

    The mean of waveforms is silence, whatever they are. What speech has on average is its spectrum.
    """
    spectra = [long_term_spectrum(utterance.waveform(sample_rate)) for utterance in corpus]
    return MeanSpectrum(corpus.name, sample_rate, np.mean(spectra, axis=0))


def check_baseline(baseline: Baseline, n_samples: int, sample_rate: int) -> None:
    """Raise AttributionError if a baseline is unknown or does not fit a sound."""
    if isinstance(baseline, str):
        if baseline not in BASELINES:
            mean = baseline in ("mean", "corpus-mean", "corpus_mean")
            raise AttributionError(
                f"baseline {baseline!r}",
                expected=f"one of {', '.join(BASELINES)}, corpus_mean(corpus), or a waveform",
                cause="the mean of a corpus has to be measured first"
                if mean
                else "a name of another package",
                fix="baseline=si.attribution.corpus_mean(corpus)" if mean else "baseline='silence'",
            )
    elif isinstance(baseline, MeanSpectrum):
        if baseline.sample_rate != sample_rate:
            raise AttributionError(
                f"a mean spectrum at {baseline.sample_rate} Hz for a model at {sample_rate} Hz",
                expected="the same sample rate",
                fix=f"corpus_mean(corpus, sample_rate={sample_rate})",
            )
    elif tuple(baseline.shape) != (n_samples,):
        raise AttributionError(
            f"a baseline of shape {tuple(baseline.shape)} for a sound of {n_samples} samples",
            expected=f"one channel of exactly {n_samples} samples at {sample_rate} Hz",
            cause="a sound at another sample rate, or of another utterance",
            fix="cut, pad or resample it, or name one of " + ", ".join(BASELINES),
        )
    elif not np.isfinite(np.asarray(baseline)).all():
        raise AttributionError("a baseline with NaN or infinite samples", expected="finite samples")


def name_of(baseline: Baseline) -> str:
    """Return what results call a baseline."""
    if isinstance(baseline, str):
        return baseline
    if isinstance(baseline, MeanSpectrum):
        return f"mean of {baseline.corpus}"
    digest = hashlib.sha256(np.ascontiguousarray(np.asarray(baseline, np.float32)).tobytes()).hexdigest()
    return f"waveform {digest[:12]}"


def filling(
    baseline: Baseline, samples: Floats, first: int, stop: int, random: np.random.Generator
) -> Floats:
    """Return what is heard from sample `first` up to `stop` of a sound once it is taken away.

    Parameters
    ----------
    baseline
        ``silence``: zeros. ``noise``: noise with the magnitude spectrum and level of what is taken away.
        ``neighbour``: as much of the sound just before it; where there is not as much, just after it.
        ``reversed``: itself, backwards. A :class:`MeanSpectrum`: noise with that spectrum and level. A waveform: its
        samples at the same place.
    samples
        The sound [shape=(samples,)].
    first, stop
        The stretch.
    random
        Draws noise.

    Raises
    ------
    AttributionError
        If the whole sound is taken away, so that it has no neighbour.
    """
    here = samples[first:stop]
    if isinstance(baseline, MeanSpectrum):
        return shaped_noise(baseline.power, stop - first, random)
    if not isinstance(baseline, str):
        return np.asarray(baseline, dtype=np.float32)[first:stop]
    if baseline == "silence":
        return np.zeros_like(here)
    if baseline == "noise":
        return phase_randomised(here, random)
    if baseline == "reversed":
        return here[::-1].copy()
    before, after = samples[max(0, 2 * first - stop) : first], samples[stop : 2 * stop - first]
    longer = before if len(before) >= min(len(after), stop - first) else after
    if not len(longer):
        raise AttributionError(
            "a unit that is the whole sound has no neighbour",
            expected="sound beside the unit",
            fix="baseline='silence'",
        )
    return np.resize(longer, stop - first)
