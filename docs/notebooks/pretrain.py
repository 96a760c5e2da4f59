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
# # Pre-train on pictures
#
# A folder of pictures with a text of each becomes a backbone. Here they are
# 626 emoji; with your own, give your folder. The model and the training are
# small enough for a minute on a CPU, which is enough to see every step and too
# little for good features.

# %%
import tempfile
from pathlib import Path

from pictures import write_list

work = Path(tempfile.mkdtemp())
photos = write_list('train-000', work / 'photos')
print('\n'.join((photos / 'list.csv').read_text().splitlines()[:4]))

# %% [markdown]
# `pretrain` looks at the folder first and says what it found. Texts give the
# target `text`; every picture gives `inter`, features of another view, which
# are told from those of other pictures. It tries everything once before it
# trains.

# %%
import m3i_mm

backbone = m3i_mm.pretrain(
    str(photos), work_dir=str(work / 'run'), epochs=3, image_size=64
)

# %% [markdown]
# The config that it wrote is short. Go on from it by hand, with
# `m3i train work/run/pretrain.py`.

# %%
print((work / 'run/pretrain.py').read_text())

# %% [markdown]
# Losses fall, and the effective rank says that the features did not collapse
# to one.

# %%
from IPython.display import Image

from m3i_mm.visualization import draw_curves

draw_curves(work / 'run', work / 'curves.png')
Image(str(work / 'curves.png'))

# %% [markdown]
# The backbone as one file, and as features of pictures:

# %%
from m3i_mm.apis import FeatureExtractor
from m3i_mm.runs.run_folder import find_run

config, checkpoint = find_run(work / 'run')
extract = FeatureExtractor(config, checkpoint)
pictures = sorted(photos.glob('*.webp'))[:12]
print(backbone, extract(pictures).shape)
