# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Fine-tune a classifier
#
# A backbone that was pre-trained becomes a classifier of the classes that the
# folders of a data set name. Detectors and segmentors start in the same way,
# see `docs/own_data.md`.

# %%
import tempfile
from pathlib import Path

from pictures import write_classes

work = Path(tempfile.mkdtemp())
train = write_classes('train-000', work / 'data/train')
write_classes('train-001', work / 'data/val')
print(sorted(folder.name for folder in train.iterdir()))

# %% [markdown]
# Folders of classes give the pre-training a further target, `category`.

# %%
import m3i_mm

m3i_mm.pretrain(
    str(train), work_dir=str(work / 'run'), epochs=2, image_size=64
)

# %% [markdown]
# `--backbone` takes the run, `--data` sets the classes, the head and the
# folders. The last words shorten the training.

# %%
from m3i_mm.commands import main

CONFIG = 'own_data/resnet18_1xb32-coslr-20e_own-data'
SHORT = [
    'train_cfg.max_epochs=2',
    'train_cfg.val_interval=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
    'train_dataloader.dataset.pipeline.1.scale=64',
    'val_dataloader.dataset.pipeline.1.scale=72',
    'val_dataloader.dataset.pipeline.2.crop_size=64',
]
data = ['--data', str(work / 'data')]
tuned = ['--work-dir', str(work / 'tuned')]
backbone = ['--backbone', str(work / 'run')]
main(['train', CONFIG, *backbone, *data, *tuned, '--cfg-options', *SHORT])

# %% [markdown]
# The accuracy on the second shard, in percent, beside that of always saying
# the most frequent class:

# %%
import json

(log,) = (work / 'tuned').rglob('scalars.json')
rows = [json.loads(line) for line in log.read_text().splitlines()]
accuracy = [row['accuracy/top1'] for row in rows if 'accuracy/top1' in row]
counts = [
    len(list(folder.iterdir())) for folder in (work / 'data/val').iterdir()
]
print(f'{accuracy[-1]:.1f}, chance {100 * max(counts) / sum(counts):.1f}')

# %% [markdown]
# What the classifier says of a picture:

# %%
from m3i_mm.apis import build_predictor
from m3i_mm.runs.run_folder import find_run

classify = build_predictor(*find_run(work / 'tuned'))
picture = next((work / 'data/val').rglob('*.webp'))
print(picture.parent.name, classify(picture).result)
