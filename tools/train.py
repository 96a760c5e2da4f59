"""Train the model of a config: pre-training or any downstream task."""

from m3i_mm.runs.cli import main_train

if __name__ == '__main__':
    main_train()
