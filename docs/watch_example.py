"""Somebody's own training loop, watched: addition modulo 59 by a small network."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy, gelu

from analysis.watch import Watch

P, STEPS = 59, 700


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(P, 128)
        self.up, self.down = nn.Linear(256, 256), nn.Linear(256, P)
        nn.init.normal_(self.embed.weight, std=128**-0.5)

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        return self.down(gelu(self.up(self.embed(pairs).flatten(1))))


torch.manual_seed(0)
pairs = torch.cartesian_prod(torch.arange(P), torch.arange(P))
sums = pairs.sum(dim=1) % P
train, test = torch.randperm(P * P).tensor_split(2)
model = Network()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=2.0)
watch = Watch(
    model,
    train=(pairs[train], sums[train]),
    test=(pairs[test], sums[test]),
    task="modular_addition",
    p=P,
    optimizer=optimizer,
)
for step in range(STEPS):
    loss = cross_entropy(model(pairs[train]), sums[train])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    watch(step)

watch.look(STEPS - 1)
print(watch)
print(watch.verdict())
