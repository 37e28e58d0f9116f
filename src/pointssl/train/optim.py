"""The optimiser and its learning rate, which is a function of the step and therefore never stored."""

import math

import torch
from torch import nn

from pointssl.runs.config import OptimConfig


def build_optimizer(method: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """Return the optimiser; weight decay pulls at matrices only, not at biases and norms."""
    parameters = [p for p in method.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = all(p.device.type == "cuda" for p in parameters)
    match config.kind:
        case "adamw":
            return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=fused)
        case "adam":
            return torch.optim.Adam(groups, lr=config.lr, betas=config.betas, fused=fused)
        case "sgd":
            return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, fused=fused)


def warmup_steps(config: OptimConfig, steps_per_epoch: float) -> int:
    """Return over how many updates the learning rate rises."""
    return config.warmup_steps or round(config.warmup_epochs * steps_per_epoch)


def learning_rate(config: OptimConfig, step: int, total: int, steps_per_epoch: float) -> float:
    """Return the learning rate of update `step`, which counts from 0, of `total`."""
    warmup = warmup_steps(config, steps_per_epoch)
    if step < warmup:
        return config.lr * (step + 1) / warmup
    match config.schedule:
        case "constant":
            return config.lr
        case "cosine":
            done = (step - warmup) / max(1, total - warmup)
            return config.final_lr + (config.lr - config.final_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        case "step":
            cuts = int(step / (config.step_epochs * steps_per_epoch))
            return max(config.final_lr, config.lr * config.step_factor**cuts)
