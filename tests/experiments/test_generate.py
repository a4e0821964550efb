"""Samples and edited photographs from the command line."""

import numpy as np
import pytest
from PIL import Image

import vaegan_jax
from tests import launchers
from vaegan_jax.runs import exports


@pytest.fixture(scope='module')
def model(small_run, tmp_path_factory):
  """An exported model with a vector."""
  folder = tmp_path_factory.mktemp('generate')
  export = exports.read(small_run)
  vector = np.full(export.config.latent_size, 2, np.float32)
  exports.write(
    folder / 'model',
    export._replace(
      prior=None, attribute_vectors={'Hat': vector, 'Smith, J=1': vector}
    ),
    card='',
  )
  return folder / 'model'


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
  """Images of several shapes, a broken file and a text."""
  folder = tmp_path_factory.mktemp('photos')
  draw = np.random.default_rng(0)
  (folder / 'more').mkdir()
  sizes = {'a.jpg': (40, 90), 'more/b.jpg': (30, 30), 'more/b.png': (70, 30)}
  for name, size in sizes.items():
    pixels = draw.integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(folder / name)
  (folder / 'c.png').write_bytes(b'no image')
  (folder / 'notes.md').write_text('x')
  return folder


def pixels(path):
  return np.asarray(Image.open(path))


def test_samples_are_those_of_the_model(model, tmp_path):
  result = launchers.run(
    'generate',
    f'--workdir={model}',
    f'--output={tmp_path}',
    '--count=3',
    '--seed=5',
  )
  assert result.returncode == 0, result.stderr
  expected = vaegan_jax.load(model).sample(3, seed=5)
  for i in range(3):
    np.testing.assert_array_equal(
      pixels(tmp_path / f'sample_{i:05d}.png'), expected[i]
    )
  assert {path.name for path in tmp_path.iterdir()} >= {'sheet.png', 'walk.gif'}


def test_photographs_are_encoded_and_edited(model, photos, tmp_path):
  result = launchers.run(
    'generate',
    f'--workdir={model}',
    f'--output={tmp_path}',
    f'--images={photos}',
    # A name may have commas and equals signs.
    '--edit=Hat=1, "Smith, J=1=0.5"',
  )
  assert result.returncode == 0, result.stderr
  assert 'c.png' in result.stderr
  loaded = vaegan_jax.load(model)
  with np.load(tmp_path / 'codes.npz') as codes:
    assert codes['names'].tolist() == ['a.jpg', 'more/b.jpg', 'more/b.png']
    mean = codes['mean']
  plain, edited = loaded.decode(mean), loaded.decode(mean + np.float32(3))
  # Two images of one name but for the ending have a picture each.
  for i, name in enumerate(('a.png', 'more/b.jpg.png', 'more/b.png.png')):
    np.testing.assert_array_equal(
      pixels(tmp_path / 'reconstructions' / name), plain[i]
    )
    np.testing.assert_array_equal(pixels(tmp_path / 'edited' / name), edited[i])


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--edit=Hat=1'], '--edit changes images'),
    (['--images={photos}', '--edit=Beard=1'], 'no attribute vector of Beard'),
    (['--images={photos}', '--edit=Hat'], 'expected NAME=NUMBER'),
    (['--images={photos}/more/../nowhere'], 'nowhere'),
    (['--attributes=Male=1'], 'conditional on no attribute'),
    (['--prior=fitted'], 'has no fitted prior'),
    (['--output={photos}'], 'is not empty: name another --output'),
    (['--output={photos}/notes.md'], 'is a file: name a folder'),
    (['--images={photos}', '--prior=normal'], '--prior is for samples: leave'),
    (['--images={photos}', '--count=2'], '--count is for samples: leave it'),
    (['--images={photos}', '--seed=0'], '--seed is for samples: leave it or'),
  ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_written(
  flags, message, model, photos, tmp_path
):
  flags = [flag.format(photos=photos) for flag in flags]
  output = tmp_path / 'new'
  result = launchers.run(
    'generate', f'--workdir={model}', f'--output={output}', *flags
  )
  assert result.returncode == 1
  assert message in result.stderr.splitlines()[-1]
  assert not output.exists()
