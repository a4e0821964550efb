import importlib
import io
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from tests import devices
from vaegan_jax.data import cache, sources
from vaegan_jax.data.sources import tfds


def png(number):
  data = io.BytesIO()
  colour = (number, 100, 200)
  Image.new('RGB', (12, 10 + number), colour).save(data, 'PNG')
  data.seek(0)
  return data


def prepare(dataset, directory, **sizes):
  """Prepares a small data set with TFDS, without TensorFlow."""
  library = importlib.import_module('tensorflow_datasets')
  features = {
    'image': library.features.Image(shape=(None, None, 3)),
    'label': library.features.ClassLabel(names=['cat', 'dog', 'owl']),
    'attributes': {'Bald': np.bool_, 'Male': np.bool_},
    'landmarks': {'x': np.int64},
  }

  def examples(count):
    for i in range(count):
      yield (
        i,
        {
          'image': png(i),
          'label': i % 3,
          'attributes': {'Bald': i % 2 == 0, 'Male': i < 4},
          'landmarks': {'x': i},
        },
      )

  class Pictures(library.core.GeneratorBasedBuilder, skip_registration=True):
    name = dataset
    VERSION = library.core.Version('1.0.0')

    def _info(self):
      return library.core.DatasetInfo(
        builder=self, features=library.features.FeaturesDict(features)
      )

    def _split_generators(self, manager):
      return {split: examples(count) for split, count in sizes.items()}

    def _generate_examples(self):
      raise NotImplementedError

  Pictures(
    data_dir=directory, file_format='array_record'
  ).download_and_prepare()


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  directory = tmp_path_factory.mktemp('tfds')
  prepare('complete', directory, train=30, validation=8, test=7)
  prepare('lacking', directory, train=40, test=7)
  prepare('lonely', directory, train=40)
  return directory


def source(prepared, name='complete'):
  return tfds.Tfds(name, (8, 8), data_dir=prepared)


def numbers(data, split):
  """Returns the numbers of the examples of a split, from their red."""
  return data.read(split, 0, data.length(split))[:, 4, 4, 0].tolist()


def test_images_and_attributes_belong_together(prepared):
  data = source(prepared)
  assert data.attribute_names == (
    *('Bald', 'Male'),
    *('label:cat', 'label:dog', 'label:owl'),
  )
  for number, row in zip(
    numbers(data, 'train'), data.attributes('train'), strict=True
  ):
    classes = [number % 3 == c for c in range(3)]
    assert row.tolist() == [number % 2 == 0, number < 4, *classes]


def test_pictures_have_the_size_and_channels_of_the_source(prepared):
  data = source(prepared).read('test', 0, 3)
  assert data.shape == (3, 8, 8, 3)
  assert (data[..., 1:] == [100, 200]).all()
  grey = tfds.Tfds('complete', (16, 8), channels=1, data_dir=prepared)
  assert grey.read('test', 0, 3).shape == (3, 16, 8, 1)


def test_existing_splits_are_used_unchanged(prepared):
  data = source(prepared)
  assert [data.length(split) for split in sources.SPLITS] == [30, 8, 7]
  assert sorted(numbers(data, 'train')) == list(range(30))


def test_validation_images_are_trained_on_if_the_setting_says_so(prepared):
  for name, sizes in (('complete', [38, 7]), ('lonely', [38, 2])):
    data = tfds.Tfds(name, (8, 8), data_dir=prepared, train_on_validation=True)
    assert [data.length(split) for split in ('train', 'test')] == sizes
    apart = source(prepared, name)
    expected = numbers(apart, 'train') + numbers(apart, 'validation')
    assert numbers(data, 'train') == expected
    pixels = data.read('train', 28, 34)[:, 4, 4, 0].tolist()
    assert pixels == expected[28:34]
    with pytest.raises(ValueError, match='set train_on_validation to False'):
      data.length('validation')


def test_splits_are_found_by_any_common_name(tmp_path, caplog):
  prepare('odd', tmp_path, training=5, valid=3, evaluation2=2, extra=4)
  data = source(tmp_path, 'odd')
  assert data.length('train') == 5
  assert data.length('validation') == 3
  assert 'evaluation2, extra' in caplog.text


def test_a_replaced_file_of_equal_size_has_another_fingerprint(tmp_path):
  prepare('exchanged', tmp_path, train=4)
  first = source(tmp_path, 'exchanged')
  [path] = [p for p in first._files if 'train' in p.name]
  before = first.fingerprint(), first.stamp()
  path.write_bytes(path.read_bytes()[::-1])
  again = source(tmp_path, 'exchanged')
  assert again.fingerprint() != before[0]
  assert again.stamp() != before[1]


@pytest.mark.parametrize(
  ('name', 'sizes'), [('lacking', [38, 2, 7]), ('lonely', [36, 2, 2])]
)
def test_missing_splits_are_carved_from_train(prepared, name, sizes):
  data = source(prepared, name)
  assert [data.length(split) for split in sources.SPLITS] == sizes
  carved = [s for s, n in zip(sources.SPLITS, sizes, strict=True) if n != 7]
  examples = [number for split in carved for number in numbers(data, split)]
  assert sorted(examples) == list(range(40))


def test_the_cache_loads_what_one_thread_reads(prepared, tmp_path):
  data = source(prepared)
  loaded = cache.load(data, split='train', directory=tmp_path, progress=False)
  np.testing.assert_array_equal(loaded.images, data.read('train', 0, 30))
  np.testing.assert_array_equal(loaded.attributes, data.attributes('train'))


def test_names_may_carry_a_version(prepared):
  assert source(prepared, 'complete:1.0.0').length('test') == 7
  with pytest.raises(FileNotFoundError, match=r'complete:2\.0\.0'):
    source(prepared, 'complete:2.0.0').length('test')


def info(directory, kind):
  directory.mkdir(parents=True)
  (directory / 'dataset_info.json').write_text(json.dumps({'fileFormat': kind}))


def test_the_newest_version_is_used(tmp_path):
  for version in ('2.0.0', '10.0.0', '9.9.9'):
    info(tmp_path / 'x' / version, 'array_record')
  assert source(tmp_path, 'x')._folder.name == '10.0.0'


def test_several_configs_are_refused_with_their_names(tmp_path):
  for config in ('small', 'large'):
    info(tmp_path / 'x' / config / '1.0.0', 'array_record')
  with pytest.raises(ValueError, match='tfds:x/large, tfds:x/small'):
    source(tmp_path, 'x').fingerprint()
  found = source(tmp_path, 'x/small')._folder
  assert found.relative_to(tmp_path) == pathlib.Path('x/small/1.0.0')


def test_the_error_for_a_missing_data_set_names_the_command(tmp_path):
  with pytest.raises(FileNotFoundError) as error:
    source(tmp_path, 'celeb_a').fingerprint()
  command = (
    f'tfds build celeb_a --file_format=array_record --data_dir={tmp_path}'
  )
  assert command in str(error.value)


def test_the_error_for_another_format_names_the_command(tmp_path):
  info(tmp_path / 'x' / '1.0.0', 'tfrecord')
  with pytest.raises(ValueError, match='tfds convert_format'):
    source(tmp_path, 'x').fingerprint()


def test_the_directory_comes_from_the_environment(prepared, monkeypatch):
  monkeypatch.setenv('TFDS_DATA_DIR', str(prepared))
  assert tfds.Tfds('complete', (8, 8)).length('test') == 7


WITHOUT_TENSORFLOW = """
import pathlib, sys
from vaegan_jax.data.sources import tfds
assert 'tensorflow_datasets' not in sys.modules
source = tfds.Tfds('complete', (8, 8), data_dir=pathlib.Path(sys.argv[1]))
source.fingerprint(), source.attributes('train'), source.read('train', 0, 3)
assert 'tensorflow_datasets' in sys.modules
assert 'tensorflow' not in sys.modules
"""


def test_tensorflow_is_never_imported(prepared):
  devices.run(WITHOUT_TENSORFLOW, str(prepared))
