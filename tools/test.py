"""Evaluate a checkpoint: pre-training or any downstream task."""

from m3i_mm.runs.cli import main_test

if __name__ == '__main__':
    main_test()
