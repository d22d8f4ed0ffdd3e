"""A small task, and trainings of it, for tests of lottery tickets."""

import torch
from torch import nn

import nngraph as nng

X = torch.linspace(-1, 1, 24).reshape(12, 2)
Y = torch.arange(12) % 3


def untrained(model, seed):
    """A training that leaves the weights as they are."""


def training(steps=6, lr=0.05, optimizer=torch.optim.Adam, **options):
    def train(model, seed):
        order = torch.randperm(len(X))  # of torch's own generator, which is seeded for each round
        used = optimizer(model.parameters(), lr=lr, **options)
        for step in range(steps):
            rows = order[2 * step % 12 :][:2]
            used.zero_grad()
            nn.functional.cross_entropy(model(X[rows]), Y[rows]).backward()
            used.step()
            yield

    return train


def net(rng=0):
    return nng.mlp((2, 12, 7, 3), rng=rng)


def weights_of(model):
    return [layer.weight.detach().numpy().copy() for layer in model if isinstance(layer, nn.Linear)]


def accuracy(model):
    return {"accuracy": float((model(X).argmax(1) == Y).double().mean())}
