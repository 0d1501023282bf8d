"""Descent: the minimum of objectives whose minimum is known."""

from __future__ import annotations

import numpy as np
import torch

from speechinterp.probing.descent import minimise


def test_a_quadratic_form_ends_at_the_solution_of_its_equations():
    random = np.random.default_rng(0)
    root, level = random.standard_normal((6, 6)), random.standard_normal(6)
    matrix = torch.tensor(root @ root.T + np.eye(6))
    x, shift = torch.zeros(5, dtype=torch.float64, requires_grad=True), torch.zeros(1, dtype=torch.float64)
    shift.requires_grad_()

    def objective():
        point = torch.cat([x, shift])
        return 0.5 * point @ matrix @ point - point @ torch.tensor(level)

    minimise(objective, [x, shift], 200)
    expected = np.linalg.solve(matrix.numpy(), level)
    np.testing.assert_allclose(torch.cat([x, shift]).detach().numpy(), expected, atol=1e-4)


def test_only_the_tensors_that_are_named_change_and_steps_are_few():
    x, fixed, values = torch.zeros(2, requires_grad=True), torch.ones(2, requires_grad=True), []

    def objective():
        values.append(float(((x - 3 * fixed) ** 4).sum().detach()))
        return ((x - 3 * fixed) ** 4).sum()

    minimise(objective, [x], 1, tolerance_grad=1e-5)
    assert values[0] == 162
    assert fixed.tolist() == [1, 1]
    least = float(((x - 3) ** 4).sum().detach())
    assert 1e-6 < least < 162
    minimise(objective, [x], 100)
    assert float(((x - 3) ** 4).sum().detach()) < 1e-6 < least
