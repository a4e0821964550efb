"""Draws JPEGs of the size and the detail of CelebA's, in CelebA's layout."""

from __future__ import annotations

import io
import pathlib
import zipfile

import numpy as np
from PIL import Image

_SIZE = (178, 218)  # width, height
_DRAWN = 200  # different pictures; the rest repeats them


def write(path: pathlib.Path, *, images: int) -> None:
  """Writes img_align_celeba.zip and list_eval_partition.txt into a folder.

  Nine tenths are for training, the rest for testing.
  """
  path.mkdir(parents=True)
  drawn = [_draw(seed) for seed in range(min(images, _DRAWN))]
  rows = []
  with zipfile.ZipFile(path / 'img_align_celeba.zip', 'w') as archive:
    for i in range(images):
      name = f'{i + 1:06d}.jpg'
      archive.writestr(f'img_align_celeba/{name}', drawn[i % len(drawn)])
      rows.append(f'{name} {2 * (i % 10 == 9)}\n')
  (path / 'list_eval_partition.txt').write_text(''.join(rows))


def _draw(seed: int) -> bytes:
  """Draws blurred noise of some 10 kB; CelebA's photographs take 7."""
  noise = np.random.default_rng(seed).integers(0, 256, (28, 23, 3), np.uint8)
  picture = Image.fromarray(noise).resize(_SIZE, Image.Resampling.BICUBIC)
  file = io.BytesIO()
  picture.save(file, 'JPEG', quality=80)
  return file.getvalue()
