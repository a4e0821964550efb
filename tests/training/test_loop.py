"""A run from its config to its report."""

import json
import shutil
import signal

import numpy as np
import pytest

import vaegan_jax
from experiments.configs import celeba
from tests import devices, small
from vaegan_jax.config import schema
from vaegan_jax.distributed import preemption
from vaegan_jax.runs import checkpoints, config_file, records
from vaegan_jax.training import loop, monitor


@pytest.fixture(scope='module')
def finished(tmp_path_factory, drawn):
  """A run of 6 steps, and one resumed after 4, which is older."""
  folder = tmp_path_factory.mktemp('runs')
  loop.train(small.config(drawn), folder / 'whole')
  shutil.copytree(folder / 'whole', folder / 'cut')
  shutil.rmtree(folder / 'cut' / 'checkpoints' / '6')
  with (folder / 'cut' / 'metrics.jsonl').open('a') as file:
    file.write('{"step": 7, "pri')
  for picture in (folder / 'cut' / 'figures').glob('*'):
    picture.unlink()
  # The run is older than these settings.
  config = json.loads((folder / 'cut' / 'config.json').read_text())
  del config['dtype'], config['init_from'], config['steps_per_dispatch']
  (folder / 'cut' / 'config.json').write_text(json.dumps(config))
  loop.train(small.config(drawn), folder / 'cut')
  return folder


def rows(workdir):
  return records.read_rows(workdir / records.METRICS)


def test_a_run_writes_the_files_in_the_readme(finished):
  workdir = finished / 'whole'
  for name in (
    'config.json',
    'metrics.jsonl',
    'timing.jsonl',
    'report.html',
    'codes.safetensors',
    'explore.html',
    'checkpoints/6',
    'figures/reconstructions.png',
    'figures/samples.png',
    'figures/interpolation.png',
    'figures/fitted_samples.png',
    'figures/samples_00000003.png',
  ):
    assert (workdir / name).exists(), name
  assert list((workdir / 'tensorboard').glob('events*'))
  assert [row['step'] for row in rows(workdir)] == [1, 2, 3, 4, 5, 6]


def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(finished):
  # Also if it is older than some settings, which then have their defaults.
  # 8 of 20 images a step: the cut at step 4 is in the second epoch.
  small.assert_equal_runs(finished / 'whole', finished / 'cut')


def test_loading_a_model_imports_neither_training_nor_evaluation(finished):
  program = (
    'import sys, vaegan_jax; vaegan_jax.load(sys.argv[1]);'
    'names = "core.train_step core.algorithm training evaluation report";'
    'print([x for x in names.split() if f"vaegan_jax.{x}" in sys.modules])'
  )
  assert devices.run(program, str(finished / 'whole')) == '[]\n'


def test_a_finished_run_only_rebuilds_its_report(finished, drawn):
  workdir = finished / 'whole'
  before = (workdir / records.METRICS).read_bytes()
  (workdir / 'report.html').unlink()
  report = loop.train(small.config(drawn), workdir)
  assert report.exists()
  assert (workdir / records.METRICS).read_bytes() == before


def test_another_config_is_refused_with_the_difference(finished, drawn):
  changed = small.config(drawn, gamma=0.5)
  before = (finished / 'whole' / 'config.json').read_bytes()
  with pytest.raises(ValueError, match=r'config\.gamma: 0\.7 there, 0\.5 here'):
    loop.train(changed, finished / 'whole')
  assert (finished / 'whole' / 'config.json').read_bytes() == before


def test_a_config_is_read_as_it_was_written(tmp_path):
  config = celeba.get_config()
  config_file.write(tmp_path, config)
  assert config_file.read(tmp_path).to_dict() == config.to_dict()


def test_settings_newer_than_a_run_have_their_defaults(tmp_path):
  config = small.config(tmp_path)
  older = config.to_dict()
  del older['data']['rebuild'], older['dtype']
  (tmp_path / 'config.json').write_text(json.dumps(older))
  assert config_file.read(tmp_path).to_dict() == config.to_dict()
  config_file.check(tmp_path, config)
  with pytest.raises(ValueError, match=r'config\.dtype: float32 there'):
    config_file.check(tmp_path, small.config(tmp_path, dtype='bfloat16'))


def test_runtime_settings_may_change_when_a_run_is_resumed(tmp_path):
  one = small.config('here', compile='jit')
  other = small.config('there', compile='pmap', keep=9)
  config_file.write(tmp_path, one)
  config_file.write(tmp_path, other)
  assert config_file.read(tmp_path).to_dict() == other.to_dict()
  assert config_file.digest(one) == config_file.digest(other)
  assert config_file.digest(one) != config_file.digest(
    small.config('here', seed=1)
  )


def test_a_run_keeps_the_way_in_which_it_wrote_a_path(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'config.json').write_text(
    json.dumps(small.config(similarity='gan').to_dict())
  )
  same = schema.with_absolute_paths(small.config(similarity='gan'))
  assert same.similarity == str(tmp_path / 'gan')
  config_file.write(tmp_path, same)
  assert config_file.read(tmp_path).similarity == 'gan'
  moved = small.config(similarity='/else/gan')
  config_file.check(tmp_path, moved)
  (tmp_path / 'gan').mkdir()
  with pytest.raises(ValueError, match=r'config\.similarity: gan there, /else'):
    config_file.check(tmp_path, moved)


def test_refused_data_leave_the_folder_free_for_other_settings(tmp_path):
  (tmp_path / 'images' / 'train').mkdir(parents=True)
  (tmp_path / 'images' / 'train' / 'x.png').write_text('no image')
  config = small.config(
    tmp_path, data__source='folder', data__path=str(tmp_path / 'images')
  )
  with pytest.raises(ValueError, match='cannot be used'):
    loop.train(config, tmp_path / 'run')
  config_file.check(tmp_path / 'run', small.config(gamma=7.0))


@pytest.mark.parametrize('text', ['', '[1]', '{"steps": ', '\x00'])
def test_a_damaged_config_is_refused_by_name(tmp_path, text):
  (tmp_path / 'config.json').write_text(text)
  for use in (
    lambda: config_file.read(tmp_path),
    lambda: config_file.write(tmp_path, small.config()),
  ):
    with pytest.raises(ValueError, match=r'config\.json is damaged'):
      use()


def test_a_config_that_lacks_settings_names_them(tmp_path):
  (tmp_path / 'config.json').write_text('{"steps": 3}')
  with pytest.raises(ValueError, match=r'is damaged: it lacks .*data\.size'):
    config_file.read(tmp_path)


def test_a_run_that_began_from_another_cannot_go_on_without_it(tmp_path):
  began = small.config(init_from=str(tmp_path / 'gone'))
  config_file.write(tmp_path, began)
  with pytest.raises(
    ValueError, match=r'config\.init_from: .*gone there,  here'
  ):
    config_file.check(tmp_path, small.config(init_from=''))


def test_the_last_save_is_on_disk_before_the_exit_is_no_longer_deferred(
  drawn, tmp_path, monkeypatch
):
  notice = preemption.Notice()
  waits = []
  wait = checkpoints.Checkpoints.wait

  def spy(self):
    if self._saving is not None:
      waits.append(notice._deferred)
    wait(self)

  def arrive(self, values, *, timing):
    notice.signum = signal.SIGTERM

  monkeypatch.setattr(checkpoints.Checkpoints, 'wait', spy)
  monkeypatch.setattr(records.Records, 'write', arrive)
  with pytest.raises(preemption.Preempted):
    loop.train(small.config(drawn), tmp_path / 'run', notice=notice)
  assert waits
  assert all(waits)
  assert checkpoints.exist(tmp_path / 'run')


@pytest.mark.parametrize('damage', ['{"step": 2, "pri', '7', '{}', '\udcff'])
def test_damaged_rows_are_left_out_with_a_warning(tmp_path, damage, caplog):
  rows = f'{{"step": 1}}\n{damage}\n{{"step": 3}}\n'
  (tmp_path / 'rows').write_text(rows, 'utf-8', 'surrogateescape')
  assert records.read_rows(tmp_path / 'rows') == [{'step': 1}, {'step': 3}]
  assert 'are damaged and left out, the first is line 2' in caplog.text


def test_a_loaded_model_encodes_decodes_reconstructs_and_samples(finished):
  model = vaegan_jax.load(finished / 'whole')
  draw = np.random.default_rng(0)
  pixels = draw.integers(0, 256, (3, 16, 16, 3), np.uint8)
  codes = model.encode(pixels)
  assert codes.shape == (3, 5)
  assert codes.dtype == np.float32
  np.testing.assert_array_equal(model.decode(codes), model.reconstruct(pixels))
  samples = model.sample(70, seed=3)
  assert samples.shape == (70, 16, 16, 3)
  assert samples.dtype == np.uint8
  np.testing.assert_array_equal(samples[:5], model.sample(5, seed=3))
  assert (samples[:5] != model.sample(5, seed=4)).any()


def test_a_folder_without_a_run_is_refused(tmp_path):
  with pytest.raises(FileNotFoundError, match='not the folder of a run'):
    vaegan_jax.load(tmp_path)


def test_a_loss_that_overflows_stops_the_run_by_name(tmp_path, drawn):
  # Such a learning rate overflows within two steps.
  config = small.config(
    drawn, optimizer__learning_rate=1e38, optimizer__final_learning_rate=1e38
  )
  with pytest.raises(monitor.Diverged, match=r'\w+ is (nan|inf) at step \d'):
    loop.train(config, tmp_path / 'run')
  assert not list((tmp_path / 'run' / 'checkpoints').glob('[0-9]*'))
  assert all(
    np.isfinite(list(row.values())).all() for row in rows(tmp_path / 'run')
  )
