"""The probe: cross-validated classifiers on every layer, with their controls in the same table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import ProbeError, check_choice
from speechinterp.probing.closed_form import InMemory, LinearDiscriminant, Ridge
from speechinterp.probing.confounds import centred_on, design
from speechinterp.probing.control_task import control_labels, selectivity
from speechinterp.probing.cross_validation import Guesses, Solver, cross_validate, majority, standardised
from speechinterp.probing.folds import Integers
from speechinterp.probing.logistic import Logistic
from speechinterp.probing.mlp import MLP
from speechinterp.probing.plan import Plan, make_plan
from speechinterp.probing.streaming import Stream, cross_validate_streamed
from speechinterp.probing.table import Row, accuracies, check_confidence, table
from speechinterp.representations import Representations

__all__ = ["KINDS", "guesses_of", "probe"]

STREAMED: dict[str, type[Ridge] | type[LinearDiscriminant]] = {"ridge": Ridge, "lda": LinearDiscriminant}
KINDS = ("logistic", "ridge", "lda", "mlp")


def probe(
    reps: Representations,
    target: str = "label",
    folds: str | npt.ArrayLike = "speaker",
    *,
    probe: str = "logistic",
    n_folds: int = 4,
    seed: int = 0,
    baselines: Mapping[str, Representations] | None = None,
    shuffles: int = 1,
    confounds: Sequence[str] = (),
    types: str | None = None,
    confidence: float = 0.95,
    shared_speakers: bool = False,
    device: str = "cpu",
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    """Measure how well a linear classifier reads a label from each layer, on speakers it was not trained on.

    Parameters
    ----------
    reps
        The units and their vectors.
    target
        The column of ``reps.units`` to classify.
    folds
        What stays whole when units are dealt to folds: ``"speaker"``, ``"utterance"`` or another column;
        ``"random"`` to split units; or one fold number a row of ``reps.units`` [shape=(units,)].
    probe
        ``"logistic"`` (multinomial logistic regression), ``"ridge"`` (ridge classifier), ``"lda"`` (linear
        discriminants) or ``"mlp"`` (one hidden layer). Features are standardised by the training units, and the
        regulariser is chosen on a quarter of the training speakers.
    n_folds
        Number of folds; with fewer speakers, each speaker is a fold.
    seed
        Seed of folds, label shuffling and bootstrap.
    baselines
        Representations of the same units to compare with: ``"random-init"`` (the untrained twin, all its
        layers), ``"mfcc"`` and ``"logmel"`` (one layer each).
    shuffles
        How often labels are shuffled; the scores are means over shuffles.
    confounds
        Columns, numbers or names, that are partialled out of the vectors: what a linear regression on them
        predicts, learnt from the training units, is subtracted. ``"speaker"`` subtracts each speaker's mean.
    types
        A column of types, for a control task: each type gets a label at random, and the rows ``control-task`` and
        the metric ``selectivity`` say how well these are learnt, see :mod:`speechinterp.probing.control_task`.
    confidence
        The share of bootstrap resamples that lie in [ci_low, ci_high]. What `folds` keeps whole is resampled: speakers,
        utterances or the groups of another column; utterances for random folds.
    shared_speakers
        Accept given fold numbers that put one speaker in several folds.
    device
        Where logistic regression and MLPs run: ``"cpu"`` or ``"cuda"``.
    progress
        Called with (steps done, steps in all) after every fold of every layer.

    Returns
    -------
    pandas.DataFrame
        One row a layer, metric (``accuracy``, ``balanced_accuracy``: mean recall over classes) and baseline
        (``none``, those given, ``shuffled-labels``, ``majority``). ``layer`` is missing where a baseline has
        none; ``n_train`` is the mean over folds, ``n_test`` the number of units tested in all folds together.
        ``attrs`` records folds, seed, labels left out and the regularisers chosen.

    Raises
    ------
    ProbeError
        If speakers are missing or too few, fewer than two labels are left, a vector is not finite, a baseline
        has other units, or an argument is not one of its values.

    Notes
    -----
    Labels that one speaker alone has are left out, with a warning. A label may still be missing from a
    training fold: its test units then count as wrong. For ``shuffled-labels`` the training labels are
    permuted, the true ones tested, and the regulariser is the one chosen for the true ones. The order of rows
    does not matter. Ridge and discriminants stream the vectors, in memory that does not grow with the corpus;
    the others, and confounds, take one layer at a time into memory.

    References
    ----------
    Belinkov, Y. (2022). Probing classifiers: promises, shortcomings, and advances. Computational Linguistics
    48(1). Hewitt, J., & Liang, P. (2019). Designing and interpreting probes with control tasks. EMNLP.
    """
    check_choice("probe", probe, KINDS, ProbeError, "probe='logistic'")
    check_confidence(confidence)
    plan = make_plan(
        reps,
        target,
        folds,
        n_folds=n_folds,
        seed=seed,
        baselines=baselines,
        shared_speakers=shared_speakers,
        n_shuffles=shuffles,
        confounds=partial(design, columns=confounds) if confounds else None,
    )
    control_plan = None
    if types is not None:
        control = control_labels(plan.units, plan.study.labels, types, seed)
        control_plan = replace(plan, study=replace(plan.study, labels=control))
    steps = (plan.n_layers + (len(reps.layers) if types else 0)) * plan.study.n_folds
    done = iter(range(1, steps + 1))

    def step() -> None:
        if progress is not None:
            progress(next(done), steps)

    guesses: list[tuple[str, int | None, Integers]] = []
    controls: list[tuple[str, int | None, Integers]] = []
    tasks: list[tuple[str, int | None, Integers]] = []
    selective: list[Row] = []
    regularisers: list[dict[str, object]] = []
    settings: dict[str, Any] = {"device": device, "by_speaker": "speaker" in confounds, "step": step}
    for number, stream in plan.streams():
        found = guesses_of(stream, plan, probe, **settings)
        guesses.append((stream.baseline, number, found.true))
        if stream.baseline == "none":
            controls.append(("shuffled-labels", number, found.shuffled))
            if control_plan is not None:
                task = guesses_of(stream, control_plan, probe, with_control=False, **settings).true
                tasks.append(("control-task", number, task))
                selective.append(
                    selectivity(
                        number, found.true, task, plan=plan, control_plan=control_plan, confidence=confidence
                    )
                )
        regularisers += [
            {"baseline": stream.baseline, "layer": number, "fold": fold, "strength": strength}
            for fold, strength in enumerate(found.strengths)
        ]
    guesses += [*controls, ("majority", None, majority(plan.study))]
    rows = accuracies(guesses, plan, confidence) + selective
    if control_plan is not None:
        rows += accuracies(tasks, control_plan, confidence)
    scores = table(rows, plan, target=target, probe=probe, confidence=confidence)
    scores.attrs |= {
        "regularisers": regularisers,
        "shuffles": shuffles,
        "confounds": list(confounds),
        "types": types,
    }
    return scores


def guesses_of(
    stream: Stream,
    plan: Plan,
    probe: str,
    *,
    device: str,
    by_speaker: bool,
    step: Callable[[], None],
    with_control: bool = True,
) -> Guesses:
    """Cross-validate one layer: from sums where there is a closed form and nothing to partial out."""
    study, control = plan.study, with_control and stream.baseline == "none"
    if probe in STREAMED and study.confounds is None:
        return cross_validate_streamed(stream, study, STREAMED[probe], control, step)
    solvers: dict[str, Callable[[npt.NDArray[np.float32]], Solver]] = {
        "logistic": partial(Logistic, device=device),
        "mlp": partial(MLP, seed=study.seed, device=device),
        **{name: partial(InMemory, kind=kind) for name, kind in STREAMED.items()},
    }
    features = plan.features(stream)
    if by_speaker:
        features = centred_on(features, plan.units["speaker"])
    return cross_validate(standardised(features, solvers[probe], study.confounds), study, control, step)
