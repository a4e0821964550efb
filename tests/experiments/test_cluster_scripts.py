"""The launch scripts, on clusters of stubs."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from experiments import overrides
from experiments.configs import demo
from tests import small, stub_cluster
from vaegan_jax.config import schema
from vaegan_jax.runs import config_file, records

FOLDER = stub_cluster.SCRIPTS
SCRIPTS = sorted(FOLDER.glob('*.sh'))
DOCUMENTS = [
  FOLDER / 'slurm.sh',
  FOLDER / 'tpu_pod.sh',
  stub_cluster.ROOT / 'docs' / 'cluster.md',
]


@pytest.mark.parametrize('path', DOCUMENTS, ids=lambda path: path.name)
def test_documented_words_are_right_and_the_config_comes_first(path):
  found = commands(path.read_text())
  assert found
  for words in found:
    overrides.check(words)
    settings = [i for i, x in enumerate(words) if x.startswith('--config.')]
    (config,) = [i for i, x in enumerate(words) if x.startswith('--config=')]
    assert config < min(settings)


@pytest.fixture
def cluster(tmp_path):
  return stub_cluster.Cluster(tmp_path)


def job(cluster, *words, **environment):
  return cluster.run('slurm.sh', *words, SLURM_JOB_ID='7', **environment)


def commands(text):
  """Finds the commands in a text that train by a script, as lists of words."""
  text = re.sub(r' *\\\n#? *', ' ', text)
  found = re.findall(r'\w+\.sh(?: --.*)', text)
  whole = [x for x in found if not x.startswith('sweep')]  # has its own config
  return [line.replace('%a', '0').split()[1:] for line in whole]


def lines(script, start):
  text = (FOLDER / script).read_text()
  return [x.split()[1] for x in text.splitlines() if x.startswith(start)]


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.name)
def test_it_is_bash(path):
  subprocess.run(['bash', '-n', path], check=True)


def test_every_task_of_a_slurm_job_trains_with_all_words(cluster):
  words = ['--config=a.py', '--config.data.path=/with space', '--config.x=$y']
  assert job(cluster, *words).returncode == 0
  expected = ['python', '-m', 'experiments.train', '--multihost', *words]
  assert cluster.calls('python') == [expected, expected]
  assert not cluster.calls('scontrol')


def test_there_are_as_many_tasks_as_gpus_and_each_sees_all_of_its_node():
  options = dict(x.split('=') for x in lines('slurm.sh', '#SBATCH') if '=' in x)
  assert options['--ntasks-per-node'] == options['--gpus-per-node']
  assert not {'--gpus-per-task', '--gpu-bind'} & set(options)


def test_slurm_warns_the_tasks_and_not_the_script():
  (option,) = [x for x in lines('slurm.sh', '#SBATCH') if 'signal' in x]
  assert re.fullmatch(r'--signal=TERM@\d{3}', option)
  assert '--requeue' in lines('slurm.sh', '#SBATCH')


@pytest.mark.parametrize('code', [0, *stub_cluster.HOPELESS, 130])
def test_a_slurm_job_that_ended_for_good_is_not_queued_again(cluster, code):
  cluster.codes(code)
  assert job(cluster).returncode == code
  assert not cluster.calls('scontrol')


@pytest.mark.parametrize('code', [*stub_cluster.PASSING, 137])
def test_a_slurm_job_that_was_interrupted_is_queued_again(cluster, code):
  cluster.codes(code)
  result = job(cluster)
  assert result.returncode == code
  assert cluster.calls('scontrol') == [['scontrol', 'requeue', '7']]
  assert f'Ended with {code}' in result.stdout


def test_a_slurm_job_does_not_come_again_for_ever(cluster):
  cluster.codes(75, 75)
  job(cluster, SLURM_RESTART_COUNT='1', RESTARTS='2')
  assert len(cluster.calls('scontrol')) == 1
  result = job(cluster, SLURM_RESTART_COUNT='2', RESTARTS='2')
  assert len(cluster.calls('scontrol')) == 1
  assert 'after 2 restarts: not requeued' in result.stderr


def test_without_sbatch_it_says_how(cluster):
  result = cluster.run('slurm.sh')
  assert result.returncode != 0
  assert 'submit this script with sbatch' in result.stderr


def test_elements_of_an_array_have_folders_and_seeds_of_their_own(cluster):
  words = ['--workdir=runs/seed_%a', '--config.seed=%a']
  job(cluster, *words, SLURM_ARRAY_TASK_ID='4')
  assert cluster.calls('python')[0][4:] == [
    '--workdir=runs/seed_4',
    '--config.seed=4',
  ]


@pytest.mark.slow
def test_two_tasks_of_a_slurm_job_are_preempted_and_finish(cluster):
  cluster.add('bin/srun', stub_cluster.REAL_SRUN)
  config = small.config(cluster.here / 'cache', steps=200)
  words = ['--config=experiments/configs/demo.py']
  words += [
    f'--config.{name}={",".join(map(str, x)) if isinstance(x, tuple) else x}'
    for name, x in schema.flatten(config).items()
    if x != schema.flatten(demo.get_config())[name]
  ]
  words += [f'--workdir={cluster.here}/run']
  given = {'PYTHON': sys.executable, 'JAX_PLATFORMS': 'cpu'}
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
  config = demo.get_config()
  config_file.write(cluster.here / 'model', config)
  # In the place of training a config is written, with its gamma and seed.
  cluster.add(
    'bin/python',
    f"""
    if [[ $2 == experiments.compare ]]; then exec {sys.executable} "$@"; fi
    for word; do
      case $word in
        --workdir=*) workdir=${{word#*=}} ;;
        --config.gamma=*) gamma=${{word#*=}} ;;
        --config.seed=*) seed=${{word#*=}} ;;
      esac
    done
    mkdir -p "$workdir"
    sed -e "s/\\"gamma\\": .*,/\\"gamma\\": $gamma,/" \\
      -e "s/^  \\"seed\\": .*,/  \\"seed\\": $seed,/" \\
      "$HERE/model/config.json" >"$workdir/config.json"
    echo '{{"step": 10, "prior": 2}}' >"$workdir/metrics.jsonl"
    """,
  )
  runs = cluster.here / 'sweep'
  result = cluster.run(
    'sweep.sh', '--config.steps=9', RUNS=str(runs), GAMMAS='1 2', SEEDS='0-2'
  )
  assert result.returncode == 0, result.stderr
  first, second, last = cluster.calls('sbatch')
  assert '--config.steps=9' in first
  assert '--config.steps=9' in second
  assert '--dependency=afterany:1:2' in last
  folders = {path.name for path in runs.iterdir() if path.is_dir()}
  assert folders == {f'gamma_{g}-seed_{s}' for g in (1, 2) for s in range(3)}
  table = (cluster.here / 'wrapped').read_text()
  assert [line.split()[0] for line in table.splitlines()[:9]] == [
    'run',
    *['gamma_1-seed_0', 'gamma_1-seed_1', 'gamma_1-seed_2', 'mean'],
    *['gamma_2-seed_0', 'gamma_2-seed_1', 'gamma_2-seed_2', 'mean'],
  ]
  assert '| mean of 3 |' in (runs / 'table.md').read_text()


def pod(cluster, *codes):
  """Runs on slices whose training ends with these codes, one after another."""
  cluster.codes(*codes)
  cluster.add('vaegan_jax/.venv/bin/python', stub_cluster.TRAIN)
  return cluster.run('tpu_pod.sh', '--workdir=/mnt/a b', '--config.x=$y')


def asked(cluster, what):
  """Counts the calls of gcloud with this in them."""
  return sum(what in ' '.join(call) for call in cluster.calls('gcloud'))


def test_a_pod_goes_on_until_it_has_finished_and_is_deleted(cluster):
  result = pod(cluster, 255, 143, 0)
  assert result.returncode == 0, result.stderr
  words = ['--multihost', '--workdir=/mnt/a b', '--config.x=$y']
  expected = ['python', '-m', 'experiments.train', *words]
  assert cluster.calls('python') == [expected] * 3
  # The slice was taken away once, so there were two.
  assert asked(cluster, 'queued-resources create') == 2
  assert asked(cluster, 'queued-resources delete') == 2
  assert not (cluster.here / 'state').exists()
  assert asked(cluster, 'ssh vaegan --worker=all --command=set -e') == 3


@pytest.mark.parametrize('code', stub_cluster.HOPELESS)
def test_a_pod_whose_run_cannot_go_on_is_deleted_at_once(cluster, code):
  assert pod(cluster, code).returncode == code
  assert len(cluster.calls('python')) == 1
  assert asked(cluster, 'queued-resources delete') == 1


def test_a_slice_that_cannot_be_had_ends_the_script(cluster):
  (cluster.here / 'state').write_text('FAILED\n')
  result = pod(cluster)
  assert result.returncode == 1
  assert 'quota, type, version and zone' in result.stderr
  assert asked(cluster, 'queued-resources delete') == 1


def test_a_pod_is_deleted_when_the_script_is_interrupted(cluster):
  cluster.add('vaegan_jax/.venv/bin/python', 'sleep 60')
  process = subprocess.Popen(
    cluster.command('tpu_pod.sh'),
    cwd=stub_cluster.ROOT,
    env=cluster.environment,
    start_new_session=True,
    stderr=subprocess.DEVNULL,
    # Who runs the tests in the background has it ignored, and so would bash.
    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
  )
  while not cluster.calls('python'):
    time.sleep(0.05)
  os.killpg(process.pid, signal.SIGINT)
  assert process.wait(timeout=20) != 0
  assert asked(cluster, 'queued-resources delete') == 1


def test_what_hosts_are_told_is_bash_and_does_not_end_itself(cluster):
  pod(cluster)
  told = [
    word.removeprefix('--command=')
    for call in cluster.calls('gcloud')
    for word in call
    if word.startswith('--command=')
  ]
  install, settle, train, *_ = told
  for words in (install, settle, train):
    subprocess.run(['bash', '-n', '-c', words], check=True)
  (pattern,) = set(re.findall(r"p(?:kill|grep) -f '(.*?)'", settle))
  assert re.search(pattern, train)
  assert not re.search(pattern, settle)
