"""One table compares several runs."""

import csv
import json
import pathlib
import re
import statistics
import subprocess
import sys

import pytest

from experiments import overrides, run_files, run_table
from experiments.configs import demo
from tests import ROOT
from vaegan_jax.runs import config_file, records


def write_rows(folder, name, rows):
  text = ''.join(json.dumps(row) + '\n' for row in rows)
  (folder / f'{name}.jsonl').write_text(text)


def begin(
  folder, *, rows=0, prior=20.0, measures=None, at=None, about=(), **changes
):
  """Writes the files of a run that has logged some rows."""
  config = demo.get_config().unlock()
  config.update_from_flattened_dict(
    {name.replace('__', '.'): value for name, value in changes.items()}
  )
  config_file.write(folder, config)
  steps = range(10, 10 * rows + 1, 10)
  metrics = {'prior': prior, 'real': 0.5}
  timing = {'images_per_second': 320.0, 'device': 'cpu'}
  write_rows(
    folder,
    'metrics',
    ({'step': s, 'llike': float(s), **metrics} for s in steps),
  )
  write_rows(
    folder, 'timing', ({'step': s, 'seconds': s / 10, **timing} for s in steps)
  )
  if measures is not None:
    found = {'about': {'step': at, **dict(about)}, 'model': measures}
    (folder / 'evaluation.json').write_text(json.dumps(found))
  return folder


def compare(*folders, **options):
  found = run_files.find(list(folders))
  return run_table.table(
    [run_files.read(f, name=n) for n, f in found.items()], **options
  )


def table(*folders, **options):
  made = compare(*folders, **options)
  return [dict(zip(made.header, row, strict=True)) for row in made.rows]


def launch(*words):
  command = [sys.executable, '-X', 'importtime', '-m', 'experiments.compare']
  return subprocess.run(
    [*command, *map(str, words)], cwd=ROOT, capture_output=True, text=True
  )


@pytest.fixture
def sweep(tmp_path):
  """Runs of two gammas with three seeds each; one run has no rows."""
  for gamma in (1e-5, 1e-6):
    for seed in range(3):
      begin(
        tmp_path / f'gamma_{gamma}-seed_{seed}',
        rows=0 if (gamma, seed) == (1e-5, 2) else 3,
        prior=20.0 + seed**2,
        gamma=gamma,
        seed=seed,
      )
  return tmp_path


def test_only_settings_that_differ_are_columns(sweep):
  begin(sweep / 'wide', rows=1, encoder__channels=(8, 8))
  begin(sweep / 'elsewhere', rows=1, compile='pmap', data__path='there')
  header = list(table(sweep)[0])
  assert header[:5] == ['run', 'encoder.channels', 'gamma', 'seed', 'step']
  assert not {'compile', 'data.path'} & set(header)


def test_runs_are_in_the_order_of_their_settings(sweep):
  begin(sweep / 'a', rows=1, gamma=0.5)
  gammas = [row['gamma'] for row in table(sweep) if row['seed']]
  assert gammas == ['1e-06'] * 3 + ['1e-05'] * 3 + ['0.5']


def test_runs_that_differ_in_their_seed_have_a_mean_and_a_spread(sweep):
  rows = table(sweep)
  means = [row['run'] for row in rows if 'mean' in row['run']]
  assert means == ['mean of 3', 'mean of 2']
  mean, spread = rows[3]['prior'].split(' ± ')
  values = [20.0, 21.0, 24.0]
  assert float(mean) == pytest.approx(statistics.mean(values), abs=0.01)
  assert float(spread) == pytest.approx(statistics.stdev(values), abs=0.01)
  assert (rows[3]['gamma'], rows[3]['seed']) == ('1e-06', '')
  assert rows[3]['step'] == '30'


def test_copies_of_a_run_count_once_and_are_named(tmp_path):
  """jit, pmap and the copy of a folder compute the same run."""
  begin(tmp_path / 'jit', rows=3)
  begin(tmp_path / 'pmap', rows=2, prior=90.0, compile='pmap')
  made = compare(tmp_path)
  assert [row[0] for row in made.rows] == ['jit', 'pmap']
  assert 'pmap repeats jit and is in no mean' in made.lead
  begin(tmp_path / 'other', rows=3, seed=1, prior=22.0)
  mean = table(tmp_path)[-1]
  assert (mean['run'], mean['prior'][:5]) == ('mean of 2', '21.00')
  begin(tmp_path / 'measured', rows=3, measures={'samples/fid': 9.0}, at=30)
  assert 'jit repeats measured and is in no mean' in compare(tmp_path).lead


def test_runs_of_other_data_have_no_mean(tmp_path):
  for seed, data in enumerate(['a', 'a', None]):
    folder = begin(tmp_path / f'{seed}', rows=3, seed=seed)
    if data is not None:
      step = folder / 'checkpoints' / '10'
      step.mkdir(parents=True)
      (step / 'manifest.json').write_text(json.dumps({'about': {'data': data}}))
  assert table(tmp_path)[-1]['run'] == 'mean of 3'
  (tmp_path / '1/checkpoints/10/manifest.json').write_text(
    json.dumps({'about': {'data': 'b'}})
  )
  made = compare(tmp_path)
  assert [row[0] for row in made.rows] == ['0', '1', '2']
  assert '0, 1, 2 have no mean: their training data differ' in made.lead


def test_measures_of_other_conditions_have_no_mean(tmp_path):
  for seed, images in enumerate([2000, 2000, 200]):
    begin(
      tmp_path / f'{seed}',
      rows=3,
      seed=seed,
      measures={'samples/fid': 50.0},
      at=30,
      about={'images': images},
    )
  made = compare(tmp_path)
  rows = [dict(zip(made.header, row, strict=True)) for row in made.rows]
  assert [row['measured with images'] for row in rows[:3]] == [
    '2000',
    '2000',
    '200',
  ]
  assert (rows[3]['samples/fid'], rows[3]['prior'][:5]) == ('', '20.00')
  assert 'Measures of 0, 1, 2 have no mean: their images differ' in made.lead


def test_a_mean_of_fewer_seeds_says_so(tmp_path):
  for seed in range(3):
    found = {'samples/fid': 50.0} if seed else None
    begin(tmp_path / f'{seed}', rows=3, seed=seed, measures=found, at=30)
  assert table(tmp_path)[-1]['samples/fid'] == '50.00 ± 0.00 (2 of 3)'


def test_conditional_models_have_their_own_columns_of_measures(tmp_path):
  found = {'reconstructions/psnr': 17.0, 'similarity/cosine': 0.5}
  begin(tmp_path / 'plain', rows=3, measures=found, at=30)
  begin(
    tmp_path / 'given',
    rows=3,
    measures=found,
    at=30,
    conditional='Male,Smiling',
  )
  made = compare(tmp_path)
  names = ['reconstructions/psnr', 'reconstructions/psnr (given attributes)']
  rows = [dict(zip(made.header, row, strict=True)) for row in made.rows]
  cells = {row['run']: [row[name] for name in names] for row in rows}
  assert cells == {'plain': ['17.00', ''], 'given': ['', '17.00']}
  assert 'are given the attributes' in made.lead
  assert set(names) < set(compare(tmp_path, measures=names[:1]).header)


def test_a_run_without_rows_has_not_begun_and_is_in_no_mean(sweep):
  row = next(row for row in table(sweep) if row['run'].endswith('1e-05-seed_2'))
  assert (row['step'], row['prior']) == ('not begun', '')
  (row,) = table(begin(sweep / 'new' / 'alone'))
  assert row == {'run': 'alone', 'step': 'not begun'}


def test_metrics_are_means_of_the_last_rows_and_speed_a_median(tmp_path):
  (row,) = table(begin(tmp_path / 'a', rows=30, batch_size=32))
  # The mean of the steps 110 to 300, whose llike is the step.
  assert row['llike'] == '205.0'
  assert row['images/s'] == '320.0'
  assert row['step'] == '300 of 340'
  assert not {'generated', 'goodput'} & set(row)


def test_goodput_is_read_from_the_last_row(tmp_path):
  folder = begin(tmp_path / 'a', rows=2)
  rows = records.read_rows(folder / records.TIMING)
  write_rows(
    folder, 'timing', ({**r, 'goodput': r['step'] / 100} for r in rows)
  )
  assert table(folder)[0]['goodput'] == '0.2000'


def test_measures_name_their_step_if_the_run_has_later_ones(tmp_path):
  found = {'samples/frechet': 70.25, 'samples/kernel': 0.5}
  begin(tmp_path / 'a', rows=3, measures=found, at=30)
  begin(tmp_path / 'b', rows=3, gamma=0.5)
  rows = table(tmp_path)
  assert sorted(row['samples/frechet'] for row in rows) == ['', '70.25']
  assert not {'samples/kernel', 'measured at step'} & set(rows[0])
  begin(tmp_path / 'b', rows=3, gamma=0.5, measures=found, at=20)
  rows = table(tmp_path, measures=['samples/kernel'])
  assert [row['samples/kernel'] for row in rows] == ['0.5000', '0.5000']
  assert {row['measured at step'] for row in rows} == {'30.00', '20.00'}
  with pytest.raises(ValueError, match=r'measure x: there are samples/frechet'):
    table(tmp_path, measures=['x'])


def test_measures_of_a_reproduction_are_read(tmp_path):
  folder = begin(tmp_path / 'a', rows=3)
  found = {'about': {}, 'values': {'samples/recall': 0.5}}
  (folder / 'measures.json').write_text(json.dumps(found))
  assert table(folder)[0]['samples/recall'] == '0.5000'


def test_damaged_measures_are_named(tmp_path):
  folder = begin(tmp_path / 'a', rows=3)
  for text in ('{', '[]', '{"model": 1}', '{"model": {"a": "b"}}'):
    (folder / 'evaluation.json').write_text(text)
    with pytest.raises(ValueError, match=r'evaluation\.json is damaged'):
      run_files.read(folder, name='a')


def test_a_repeated_run_appears_once_under_its_shortest_name(
  sweep, monkeypatch
):
  monkeypatch.chdir(sweep)
  found = run_files.find([sweep, pathlib.Path('gamma_1e-05-seed_0')])
  assert len(found) == 6
  assert 'gamma_1e-05-seed_0' in found
  (sweep / 'deeper').mkdir()
  begin(sweep / 'deeper' / 'a', rows=1)
  assert 'deeper/a' in run_files.find([sweep, sweep / 'deeper'])


@pytest.mark.parametrize(
  ('place', 'message'),
  [('nowhere', 'is not a folder'), ('.', 'holds no run')],
)
def test_a_folder_without_runs_is_refused(tmp_path, place, message):
  with pytest.raises(ValueError, match=f'{message}: expected the --workdir'):
    run_files.find([tmp_path / place])


def test_long_settings_are_shortened_except_in_exact_tables(tmp_path):
  long = ','.join(f'attribute_{i}' for i in range(9))
  begin(tmp_path / 'a', rows=1, conditional=long)
  begin(tmp_path / 'b', rows=1)
  short = [row['conditional'] for row in table(tmp_path)]
  assert max(map(len, short)) == 24
  assert long in [row['conditional'] for row in table(tmp_path, exact=True)]


def test_the_launcher_prints_a_table_and_writes_one_without_jax(sweep):
  result = launch(sweep, f'--output={sweep}/table.csv')
  assert result.returncode == 0, result.stderr
  imported = re.findall(r'\| +([\w.]+)$', result.stderr, re.MULTILINE)
  assert 'experiments.run_table' in imported
  assert 'jax' not in imported
  header, *lines = result.stdout.splitlines()
  assert header.split()[:4] == ['run', 'gamma', 'seed', 'step']
  # Six runs, two means and two lines below; the columns are aligned.
  assert len(lines) == 6 + 2 + 2
  column = header.index('prior') + len('prior')
  assert all(line[column : column + 2].strip() == '' for line in lines[:8])
  with (sweep / 'table.csv').open() as file:
    rows = list(csv.DictReader(file))
  assert [float(row['llike']) for row in rows if row['llike']] == [20.0] * 5
  assert len(rows) == 6


@pytest.mark.parametrize(
  ('words', 'message'),
  [
    ([], 'expected the folder of a run'),
    (['.', '--output=/nowhere/a.md'], '/nowhere does not exist'),
  ],
)
def test_the_launcher_refuses_bad_arguments_in_one_line(words, message):
  result = launch(*words)
  assert result.returncode == 1
  assert message in result.stdout + result.stderr
  assert 'Traceback' not in result.stderr


def test_no_arguments_pass_the_check_of_flags():
  overrides.resolve([])
