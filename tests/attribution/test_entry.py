"""Attribution by name: the method's own result, and clear words where method, space and options do not go together."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import shared_model, sound

from speechinterp import Segment, Tier, Utterance, attribution, targets
from speechinterp.attribution.entry import METHODS, attribute, over_units
from speechinterp.audio import Sound
from speechinterp.errors import AttributionError

WORDS = Tier("words", [Segment(0.05, 0.15, "one"), Segment(0.15, 0.25, "two"), Segment(0.3, 0.4, "six")])
MODEL = "hubert-pre-class"


def utterance() -> Utterance:
    return Utterance("u", Sound(sound(8000), 16000), tiers={"words": WORDS})


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"deeplift", "owen"}))
def test_every_method_answers_to_its_name(method):
    model, heard = shared_model(MODEL), utterance()
    samples = 24 if method in ("lime", "rise", "smoothgrad", "expected-gradients") else None
    found = attribute(model, heard, method, samples=samples)
    assert found.attrs["method"].replace("_", "-").startswith(method)
    assert len(found.target) == 1
    assert over_units(model, heard, found, "words").dims == ("target", "unit")


def test_it_is_the_methods_own_result():
    model, heard, target = shared_model(MODEL), utterance(), targets.label("all")
    own = attribution.leave_one_out(model, heard, target=target, baseline="noise", seed=3)
    named = attribute(model, heard, "leave-one-out", target=target, baseline="noise", seed=3)
    assert np.array_equal(own.values, named.values)
    own = attribution.saliency(model, heard, target, "features")
    assert np.array_equal(
        own.values, attribute(model, heard, "saliency", target=target, space="features").values
    )


def test_gradients_over_units_are_those_of_the_waveform_summed():
    model, heard = shared_model(MODEL), utterance()
    found = attribute(model, heard, "input-x-gradient", space="units")
    whole = attribution.input_x_gradient(model, heard, targets.label()).si.to_units(WORDS)
    assert np.allclose(found.values, whole.values)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "gradcam"}, "one of shapley"),
        ({"method": "shapley", "space": "waveform"}, "explains by units"),
        ({"method": "saliency", "baseline": "silence"}, "baseline='silence' for saliency"),
        ({"method": "leave-one-out", "samples": 9}, "samples=9"),
        ({"method": "rise", "space": "waveform"}, "in its own way"),
    ],
)
def test_what_does_not_go_together_is_refused(options, message):
    with pytest.raises(AttributionError, match=message):
        attribute(shared_model(MODEL), utterance(), **options)
