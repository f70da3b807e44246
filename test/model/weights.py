"""Writes random weights in the forms that gates' weights come in: python weights.py FOLDER."""

import pathlib
import sys

import torch
import torchvision
from torch import nn


class Hostile:
    def __reduce__(self):
        return (pathlib.Path.touch, (folder / "was-run",))


folder = pathlib.Path(sys.argv[1])
torch.manual_seed(0)

sex = torchvision.models.resnet34(weights=None)
sex.fc = nn.Linear(512, 2)
# As Lightning saves it: weights among other objects, here one that runs code where it is unpickled.
torch.save({"state_dict": {f"model.{name}": value for name, value in sex.state_dict().items()}, "callbacks": Hostile()}, folder / "sex.ckpt")

race = torchvision.models.resnet34(weights=None)
race.fc = nn.Sequential(nn.Linear(512, 3), nn.LogSoftmax(dim=1))
torch.save(nn.DataParallel(race).state_dict(), folder / "race.pt")

age = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))
torch.jit.trace(age.eval(), torch.zeros(1, 3, 320, 320)).save(folder / "age.pt")

torch.save(torchvision.models.squeezenet1_1(weights=None, num_classes=3).state_dict(), folder / "finding.pt")
