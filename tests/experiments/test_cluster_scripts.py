"""The launch scripts run on stub clusters."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from experiments import overrides
from experiments.configs import demo
from tests import ROOT, small, stub_cluster
from vaegan_jax.config import schema
from vaegan_jax.runs import records

FOLDER = stub_cluster.SCRIPTS
HOPELESS, PASSING = stub_cluster.HOPELESS, stub_cluster.PASSING


@pytest.fixture
def cluster(tmp_path):
  return stub_cluster.Cluster(tmp_path)


def job(cluster, *words, **options):
  return cluster.run('slurm.sh', *words, SLURM_JOB_ID='7', **options)


@pytest.mark.parametrize(
  'path',
  [FOLDER / 'slurm.sh', FOLDER / 'tpu_pod.sh', ROOT / 'docs' / 'cluster.md'],
  ids=lambda path: path.name,
)
def test_documented_commands_have_valid_flags_and_the_config_first(path):
  text = re.sub(r' *\\\n#? *', ' ', path.read_text())
  # sweep.sh sets --config itself.
  found = re.findall(r'\b(?!sweep)\w+\.sh( --.*)', text)
  assert found
  for words in (line.replace('%a', '0').split() for line in found):
    overrides.resolve(words)
    settings = [i for i, x in enumerate(words) if x.startswith('--config.')]
    (config,) = [i for i, x in enumerate(words) if x.startswith('--config=')]
    assert config < min(settings)


def test_every_task_of_a_slurm_job_trains_with_all_arguments(cluster):
  words = ['--config=a.py', '--config.data.path=/with space', '--config.x=$y']
  array = ['--workdir=runs/seed_%a', '--config.seed=%a']
  assert job(cluster, *words, *array, SLURM_ARRAY_TASK_ID='4').returncode == 0
  expected = ['python', '-m', 'experiments.train', '--multihost', *words]
  expected += ['--workdir=runs/seed_4', '--config.seed=4']
  assert cluster.calls('python') == [expected, expected]


def test_slurm_starts_a_task_per_gpu_and_warns_the_tasks():
  text = (FOLDER / 'slurm.sh').read_text()
  given = re.findall(r'^#SBATCH (--[\w-]+)=?(.*)$', text, re.MULTILINE)
  options = dict(given)
  assert options['--ntasks-per-node'] == options['--gpus-per-node']
  assert not {'--gpus-per-task', '--gpu-bind'} & set(options)
  assert re.fullmatch(r'TERM@\d{3}', options['--signal'])
  assert '--requeue' in options


@pytest.mark.parametrize(
  ('code', 'restarts', 'requeued'),
  [
    *((code, '0', False) for code in (0, *HOPELESS, 130)),
    *((code, '0', True) for code in (*PASSING, 137)),
    (75, '1', True),
    (75, '2', False),
  ],
)
def test_a_slurm_job_is_requeued_if_a_restart_can_help(
  cluster, code, restarts, requeued
):
  given = {'SLURM_RESTART_COUNT': restarts, 'RESTARTS': '2'}
  result = job(cluster, codes=[code], **given)
  assert result.returncode == code
  calls = [['scontrol', 'requeue', '7']] if requeued else []
  assert cluster.calls('scontrol') == calls
  assert (f'Ended with {code}' in result.stdout) == requeued
  refused = 'after 2 restarts: not requeued' in result.stderr
  assert refused == (restarts == '2')


def test_an_element_of_an_array_requeues_itself_alone(cluster):
  # Slurm gives the last element the number of the array.
  given = {'SLURM_ARRAY_JOB_ID': '7', 'SLURM_ARRAY_TASK_ID': '4'}
  job(cluster, codes=[75], **given)
  assert cluster.calls('scontrol') == [['scontrol', 'requeue', '7_4']]


def test_without_sbatch_the_script_explains_how_to_submit_it(cluster):
  result = cluster.run('slurm.sh')
  assert result.returncode != 0
  assert 'submit this script with sbatch' in result.stderr


@pytest.mark.slow
def test_two_tasks_of_a_slurm_job_are_preempted_and_finish(cluster):
  config = small.config(cluster.here / 'cache', steps=200)
  reference = schema.flatten(demo.get_config())
  words = ['--config=experiments/configs/demo.py']
  words += [
    f'--config.{name}={",".join(map(str, x)) if isinstance(x, tuple) else x}'
    for name, x in schema.flatten(config).items()
    if x != reference[name]
  ]
  words += [f'--workdir={cluster.here}/run']
  given = {'PYTHON': sys.executable, 'JAX_PLATFORMS': 'cpu', 'WARN': '1'}
  result = job(cluster, *words, **given)
  assert result.returncode == 143, result.stderr
  assert cluster.calls('scontrol') == [['scontrol', 'requeue', '7']]
  rows = records.read_rows(cluster.here / 'run' / records.METRICS)
  assert 0 < len(rows) < 200
  result = job(cluster, *words, **given)
  assert result.returncode == 0, result.stderr
  rows = records.read_rows(cluster.here / 'run' / records.METRICS)
  assert [row['step'] for row in rows] == list(range(1, 201))
  assert len(cluster.calls('scontrol')) == 1


def test_a_sweep_trains_each_setting_and_ends_with_one_table(cluster):
  runs = cluster.here / 'sweep'
  result = cluster.run(
    'sweep.sh', '--config.steps=9', RUNS=str(runs), GAMMAS='1 2', SEEDS='0-2'
  )
  assert result.returncode == 0, result.stderr
  *trained, table = cluster.calls('python')
  settings = {tuple(call[5:]) for call in trained}
  assert settings == {
    (
      f'--workdir={runs}/gamma_{gamma}-seed_{seed}',
      f'--config.gamma={gamma}',
      f'--config.seed={seed}',
      '--config.steps=9',
    )
    for gamma in (1, 2)
    for seed in range(3)
  }
  compare = ['-m', 'experiments.compare', str(runs)]
  assert table[1:] == [*compare, f'--output={runs}/table.md']
  assert '--dependency=afterany:1:2' in cluster.calls('sbatch')[-1]


def pod(cluster, *codes):
  """Runs on TPU slices whose training ends with these codes in turn."""
  cluster.add('vaegan_jax/.venv/bin/python', stub_cluster.TRAIN)
  words = ['--workdir=/mnt/a b', '--config.x=$y']
  return cluster.run('tpu_pod.sh', *words, codes=codes)


def count(cluster, words):
  """Counts the calls of gcloud that contain these words."""
  return sum(words in ' '.join(call) for call in cluster.calls('gcloud'))


def test_a_pod_resumes_until_it_has_finished_and_is_deleted(cluster):
  result = pod(cluster, 255, 143, 0)
  assert result.returncode == 0, result.stderr
  words = ['--multihost', '--workdir=/mnt/a b', '--config.x=$y']
  expected = ['python', '-m', 'experiments.train', *words]
  assert cluster.calls('python') == [expected] * 3
  # The first slice was preempted.
  assert count(cluster, 'queued-resources create') == 2
  assert count(cluster, 'queued-resources delete') == 2
  assert not (cluster.here / 'state').exists()
  assert count(cluster, 'ssh vaegan --worker=all --command=set -e') == 3


@pytest.mark.parametrize('code', HOPELESS)
def test_a_pod_whose_run_cannot_resume_is_deleted_at_once(cluster, code):
  assert pod(cluster, code).returncode == code
  assert len(cluster.calls('python')) == 1
  assert count(cluster, 'queued-resources delete') == 1


def test_a_refused_slice_ends_the_script(cluster):
  (cluster.here / 'state').write_text('FAILED\n')
  result = pod(cluster)
  assert result.returncode == 1
  assert 'quota, type, version and zone' in result.stderr
  assert count(cluster, 'queued-resources delete') == 1


def test_a_pod_is_deleted_when_the_script_is_interrupted(cluster):
  cluster.add('vaegan_jax/.venv/bin/python', 'sleep 60')
  process = subprocess.Popen(
    cluster.command('tpu_pod.sh'),
    cwd=ROOT,
    env=cluster.environment,
    start_new_session=True,
    stderr=subprocess.DEVNULL,
    # Background jobs inherit an ignored SIGINT, and so would bash.
    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
  )
  while not cluster.calls('python'):
    time.sleep(0.05)
  os.killpg(process.pid, signal.SIGINT)
  assert process.wait(timeout=20) != 0
  assert count(cluster, 'queued-resources delete') == 1


def test_the_commands_for_hosts_are_bash_and_do_not_kill_themselves(cluster):
  pod(cluster)
  log = '\x1f'.join(word for x in cluster.calls('gcloud') for word in x)
  install, settle, train, *_ = re.findall('--command=([^\x1f]*)', log)
  for words in (install, settle, train):
    subprocess.run(['bash', '-n', '-c', words], check=True)
  (pattern,) = set(re.findall(r"p(?:kill|grep) -f '(.*?)'", settle))
  assert re.search(pattern, train)
  assert not re.search(pattern, settle)
