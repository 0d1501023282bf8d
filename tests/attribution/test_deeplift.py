"""DeepLIFT: against the rescale rule by hand; Captum is left as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attribution.slopes_of import heard, inside
from tiny import tiny_model

from speechinterp import attribution, targets
from speechinterp.attribution.slopes import baseline_point, opened_space
from speechinterp.errors import AttributionError


@pytest.mark.parametrize("baseline", ["silence", "reversed"])
def test_every_activation_hands_back_the_ratio_of_its_differences(baseline):
    """By hand: in place of each GELU stands a line through what it gives for the sound and for the baseline."""
    pytest.importorskip("captum.attr")
    model, goal = tiny_model("hubert-pre-class"), targets.label("all", scale="logit")
    space = opened_space(model, heard(), goal, "waveform")
    start, _ = baseline_point(space, baseline, np.random.default_rng(0))
    passed, hooks = {}, []
    for module in model.module.modules():
        if "gelu" in type(module).__name__.lower():
            hooks.append(
                module.register_forward_hook(lambda m, a, o: passed.setdefault(m, []).append((a[0], o)))
            )
    with torch.no_grad():
        for point in (start, space.point):
            space.scores(point[None])
    for hook in hooks:
        hook.remove()
    assert len(passed) > 5

    def line(module, args, output):
        (x0, y0), (x1, y1) = passed[module]
        same = (x1 - x0).abs() < 1e-10
        slope = torch.where(same, 0.0, (y1 - y0) / torch.where(same, 1.0, x1 - x0))
        return output.detach() + slope * (args[0] - args[0].detach())

    hooks = [module.register_forward_hook(line) for module in passed]
    point = space.point.clone().requires_grad_()
    (slope,) = torch.autograd.grad(space.scores(point[None])[0, 2], point)
    for hook in hooks:
        hook.remove()
    expected = inside(space, (space.point - start) * slope)
    found = attribution.deeplift(model, heard(), goal, baseline=baseline)[2].values
    # where an activation hardly differs, the ratio of its differences is known to few digits
    assert np.abs(found - expected.numpy()).max() < 0.01 * np.abs(found).max()
    plain = attribution.input_x_gradient(model, heard(), goal)[2].values
    assert np.abs(found - plain).max() > 0.1 * np.abs(found).max()


def test_features_are_refused():
    pytest.importorskip("captum.attr")
    with pytest.raises(AttributionError, match=r"DeepLIFT in the space 'features'.*waveform"):
        attribution.deeplift(tiny_model("hubert"), heard(), targets.label(), "features")


def test_deeplift_runs_through_captum_says_what_it_misses_and_leaves_captum_as_it_was():
    pytest.importorskip("captum.attr")
    from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR

    before = dict(SUPPORTED_NON_LINEAR)
    model = tiny_model("hubert-pre-class")
    found = attribution.deeplift(model, heard(), targets.label(scale="logit"), "waveform")
    assert before == SUPPORTED_NON_LINEAR
    total = found.sum("time") - (found.value_full - found.value_baseline)
    assert np.allclose(total, found.completeness_gap)
