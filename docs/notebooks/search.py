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
# # Search pictures by words
#
# A model that was trained with texts puts pictures and words into one space.
# After so short a training it knows little more than what it has seen: the
# search is over the pictures of the training.

# %%
import tempfile
from pathlib import Path

from pictures import write_list

work = Path(tempfile.mkdtemp())
photos = write_list('train-000', work / 'photos', most=96)

# %% [markdown]
# The text target alone, at a smaller batch, makes the most of half a minute:
# three steps an epoch.

# %%
import m3i_mm

m3i_mm.pretrain(
    str(photos),
    work_dir=str(work / 'run'),
    epochs=20,
    image_size=64,
    batch_size=32,
    without=['inter'],
)

# %%
import csv

from IPython.display import Image

from m3i_mm.apis import PictureSearch
from m3i_mm.apis.search import draw_found
from m3i_mm.runs.run_folder import find_run

config, checkpoint = find_run(work / 'run')
search = PictureSearch(config, photos, checkpoint)
with (photos / 'list.csv').open(encoding='utf-8') as file:
    rows = list(csv.DictReader(file))
questions = [row['text'] for row in rows[:4]]
found = {words: search.by_words(words, k=5) for words in questions}
draw_found(found, work / 'found.png')
Image(str(work / 'found.png'))

# %% [markdown]
# How often a text of the training finds its picture among the first 5:

# %%
hits = [
    photos / row['image']
    in [one.path for one in search.by_words(row['text'], k=5)]
    for row in rows
]
print(f'{100 * sum(hits) / len(hits):.0f} %, chance {500 / len(rows):.1f} %')

# %% [markdown]
# A picture finds those that look like it, without any text.

# %%
picture = photos / rows[0]['image']
for one in search.by_picture(picture, k=3):
    print(f'{one.similarity:.3f} {one.path.name}')
