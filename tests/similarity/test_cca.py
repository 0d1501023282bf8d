"""Canonical correlations and Procrustes: direct formulas, invariances, honesty on speakers left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from similarity import reference
from similarity.views_of import related, timed, views

import speechinterp as si
from speechinterp.errors import SimilarityError
from speechinterp.similarity import SimilarityWarning

pytestmark = pytest.mark.filterwarnings("ignore::speechinterp.similarity.SimilarityWarning")


def score(x, y, units, **settings_):
    return si.similarity.cca(views(units, x), views(units, y), n_null=2, **settings_).iloc[0]


def test_it_is_the_mean_cosine_of_principal_angles():
    units, x, y = related()
    assert score(x, y, units, kind="cca").score == pytest.approx(reference.canonical(x, y).mean(), abs=1e-6)


def test_it_agrees_with_scikit_learn():
    from sklearn.cross_decomposition import CCA

    units, x, y = related(p=4, q=3)
    fitted = CCA(3, max_iter=5000, tol=1e-12).fit(x, y)
    a, b = fitted.transform(x, y)
    expected = [np.corrcoef(a[:, k], b[:, k])[0, 1] for k in range(3)]
    assert score(x, y, units, kind="cca").score == pytest.approx(np.mean(expected), abs=1e-4)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_invertible_maps_of_either_side_change_nothing(seed):
    units, x, y = related(seed=seed)
    random = np.random.default_rng(seed)
    a, b = np.eye(6) + 0.5 * random.normal(size=(6, 6)), np.eye(4) + 0.5 * random.normal(size=(4, 4))
    plain, mapped = score(x, y, units, kind="cca"), score(x @ a + 1, y @ b - 2, units, kind="cca")
    for column in ("score", "heldout", "ci_low", "null"):
        assert mapped[column] == pytest.approx(plain[column], abs=1e-3)


def test_svcca_keeps_the_components_that_hold_the_variance():
    units, x, y = related(p=6)
    x = reference.centred(x) @ np.diag([10, 8, 6, 0.01, 0.01, 0.01])
    _, spread, axes = np.linalg.svd(reference.centred(x), full_matrices=False)
    assert (np.cumsum(spread**2) / np.sum(spread**2))[2] > 0.99
    expected = reference.canonical(x @ axes[:3].T, y).mean()
    assert score(x, y, units, variance=0.99).score == pytest.approx(expected, abs=0.02)
    truncated = reference.canonical(x @ axes[:3].T, reference.centred(y)).mean()
    assert score(x, y, units, variance=0.9999).score == pytest.approx(truncated, abs=1e-5)


def test_pwcca_weights_by_what_a_variable_accounts_for_of_the_first_side():
    units, x, y = related()
    cx, cy = reference.centred(x), reference.centred(y)
    qx, qy = np.linalg.qr(cx)[0], np.linalg.qr(cy)[0]
    u, rho, _ = np.linalg.svd(qx.T @ qy, full_matrices=False)
    weights = np.abs((qx @ u).T @ cx).sum(axis=1)
    assert score(x, y, units, kind="pwcca").score == pytest.approx(rho @ weights / weights.sum(), abs=1e-5)
    table = si.similarity.cca(views(units, x, x**2), kind="pwcca", n_null=2)
    assert list(zip(table.layer, table.other_layer, strict=True)) == [(0, 1), (1, 0)]


def test_dimensions_that_repeat_each_other_do_no_harm():
    units, x, y = related()
    doubled = np.concatenate([x, x], axis=1)
    assert score(doubled, y, units, kind="cca").score == pytest.approx(
        score(x, y, units, kind="cca").score, abs=1e-4
    )


def test_held_out_speakers_are_not_fooled_by_many_dimensions():
    random = np.random.default_rng(0)
    units = timed([25] * 8)
    x, y = random.normal(size=(200, 60)), random.normal(size=(200, 60))
    with pytest.warns(SimilarityWarning, match="Chance is high"):
        noise = score(x, y, units, kind="cca")
    assert noise.score > 0.4
    assert noise.null == pytest.approx(noise.score, abs=0.05)
    assert abs(noise.heldout) < 0.1
    units, x, y = related(n_utterances=40, strength=3.0, p=3, q=3)
    clear = score(x, y, units, kind="cca")
    assert clear.heldout == pytest.approx(clear.score, abs=0.05)


def test_held_out_is_what_scikit_style_fitting_on_the_others_gives():
    units, x, y = related(speakers=2, p=3, q=3, strength=2.0)
    values, sizes = [], []
    for speaker in units.speaker.unique():
        test = (units.speaker == speaker).to_numpy()
        tx, ty = x[~test], y[~test]
        whiten = [np.linalg.inv(np.linalg.cholesky(np.cov(side.T))).T for side in (tx, ty)]
        u, _, v = np.linalg.svd(whiten[0].T @ ((tx - tx.mean(0)).T @ (ty - ty.mean(0)) / len(tx)) @ whiten[1])
        a, b = (x[test] - tx.mean(0)) @ whiten[0] @ u, (y[test] - ty.mean(0)) @ whiten[1] @ v.T
        values.append(np.mean(np.sum(a * b, 0) / np.sqrt(np.sum(a**2, 0) * np.sum(b**2, 0))))
        sizes.append(test.sum())
    assert score(x, y, units, kind="cca").heldout == pytest.approx(
        np.average(values, weights=sizes), abs=1e-5
    )


def test_procrustes_is_the_best_rotation():
    units, x, y = related(q=6)
    found = si.similarity.procrustes(views(units, x), views(units, y), n_null=2).iloc[0]
    assert found.score == pytest.approx(reference.procrustes(x, y), abs=1e-6)
    random = np.random.default_rng(0)
    turned = [np.sum(reference.centred(x) * (reference.centred(y) @ q)) for q in
              (np.linalg.qr(random.normal(size=(6, 6)))[0] for _ in range(50))]  # fmt: skip
    norms = np.linalg.norm(reference.centred(x)) * np.linalg.norm(reference.centred(y))
    assert max(turned) / norms < found.score


def test_procrustes_does_not_see_rotation_scale_and_shift():
    units, x, _ = related()
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    found = si.similarity.procrustes(views(units, x), views(units, 7 * x @ q - 3), n_null=2).iloc[0]
    assert found.score == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("change", [{"kind": "dcca"}, {"variance": 0}])
def test_wrong_arguments_are_refused(change):
    units, x, y = related()
    with pytest.raises(SimilarityError):
        score(x, y, units, **change)
