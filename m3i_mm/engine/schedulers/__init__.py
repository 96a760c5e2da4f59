"""Schedules of learning rate."""

from .warmup_cosine import WarmupCosineLR

__all__ = ['WarmupCosineLR']
