"""Gradients of HAT, and its losses in the first steps of a training."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from comparison import Row, compare, equal
from hat_model import Model

from model.cross_attention import Direction
from model.hat.published import our_names

GRADIENTS, STEPS = 1e-3, 2e-3
LEARNING_RATE = 1e-4


def compare_gradients(case: str, model: Model, outputs) -> Iterator[Row]:
    """Gradients of the projections, by how far they are off in proportion to their length."""
    for direction in Direction:
        wanted = {name: value for name, value in outputs.items() if name.startswith(f"grad_{direction}/")}
        if not wanted:
            continue
        gradients = gradients_of(model, direction)
        for name, expected in wanted.items():
            (own,) = our_names(name.split("/", 1)[1])
            distance = np.linalg.norm(gradients[own] - expected) / (np.linalg.norm(expected) or 1.0)
            yield compare(case, f"{name}, relative", distance, 0, GRADIENTS)


def compare_training(case: str, model: Model, name: str, expected) -> Iterator[Row]:
    """`name` is like i2t_frozen: what learns is the projections, or everything."""
    direction, _, frozen = name.partition("_")
    if frozen == "frozen":
        for own, parameter in model.network.named_parameters():
            parameter.requires_grad_("projections" in own)
    gradients = gradients_of(model, Direction(direction))
    yield compare(case, "n_params_with_grad", len(published_names(model, gradients)), expected["n_params_with_grad"], 0)
    yield equal(case, "parameters with a gradient", published_names(model, gradients), set(expected["grad_l2"]))
    yield compare_lengths(case, gradients, expected["grad_l2"])
    losses = losses_of_steps(model, Direction(direction), steps=len(expected["losses_3_adam_steps"]))
    for step, (ours, published) in enumerate(zip(losses, expected["losses_3_adam_steps"], strict=True)):
        yield compare(case, f"loss before step {step}, relative", ours / published, 1, STEPS)


def compare_lengths(case: str, gradients, expected) -> Row:
    """All gradients in one row, which names the worst."""
    lengths = {
        name: math.sqrt(sum(float(np.square(gradients[own], dtype=np.float64).sum()) for own in our_names(name)))
        for name in expected
    }
    # That of a key's bias is zero, for it moves all logits of a softmax alike: what is recorded is rounding.
    scales = {name: 0.0 if name.endswith("attention.self.key.bias") else length for name, length in expected.items()}
    off = {name: abs(lengths[name] - length) / (scales[name] or 1.0) for name, length in expected.items()}
    worst = max(off, key=off.__getitem__)
    return compare(case, f"grad_l2 of {len(off)}, relative; worst {worst}", off[worst], 0, GRADIENTS)


def gradients_of(model: Model, direction: Direction) -> dict[str, np.ndarray]:
    model.network.zero_grad()
    model.loss(direction).backward()
    learning = [(name, one.grad) for name, one in model.network.named_parameters() if one.grad is not None]
    return {name: gradient.numpy() for name, gradient in learning}


def published_names(model: Model, gradients) -> set[str]:
    return {name for name in model.weights if our_names(name) and all(own in gradients for own in our_names(name))}


def losses_of_steps(model: Model, direction: Direction, *, steps: int) -> Iterator[float]:
    optimiser = torch.optim.Adam((one for one in model.network.parameters() if one.requires_grad), lr=LEARNING_RATE)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = model.loss(direction)
        yield loss.item()
        loss.backward()
        optimiser.step()
