"""Kills, damaged files, full disks: see ``python -m campaign --help``."""
