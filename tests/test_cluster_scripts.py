"""The launch scripts, on clusters of stubs."""

import copy
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
import yaml

from experiments import overrides
from experiments.configs import demo
from tests import jobset_schema, small
from vaegan_jax import records

ROOT = pathlib.Path(__file__).parents[1]
CLUSTER = ROOT / 'experiments' / 'cluster'
SCRIPTS = sorted(CLUSTER.glob('*.sh'))
JOBSETS = sorted(CLUSTER.glob('*.yaml'))

# Exit codes of experiments.train after which another try would end the same,
# and after which it would not.
HOPELESS = (1, 70, 74)
PASSING = (75, 143)

# Runs a step of two tasks, and gives the highest of their codes.
SRUN = """
while [[ $1 == -* ]]; do shift; done
worst=0
for task in 0 1; do
  code=0
  SLURM_PROCID=$task "$@" || code=$?
  if ((code > worst)); then worst=$code; fi
done
exit "$worst"
"""
# Runs two tasks at once in the environment that Slurm gives to such; the first
# time it warns them, as soon as a step is logged, that their time is up.
REAL_SRUN = """
while [[ $1 == -* ]]; do shift; done
tasks=()
for task in 0 1; do
  SLURM_NTASKS=2 SLURM_STEP_NODELIST=localhost SLURM_PROCID=$task \\
    SLURM_LOCALID=$task "$@" &
  tasks+=("$!")
done
if [[ ! -e $HERE/warned ]]; then
  until [[ -s $HERE/run/metrics.jsonl ]]; do
    kill -0 "${tasks[@]}" || break
    sleep 0.1
  done
  touch "$HERE/warned"
  kill -TERM "${tasks[@]}"
fi
worst=0
for task in "${tasks[@]}"; do
  code=0
  wait "$task" || code=$?
  if ((code > worst)); then worst=$code; fi
done
exit "$worst"
"""
# Runs each element of an array, or what is wrapped, at once.
SBATCH = f"""
echo . >>"$HERE/jobs"
id=$(wc -l <"$HERE/jobs")
for word; do
  case $word in
    --array=*) last=${{word#*-array=0-}} ;;
    --wrap=*) bash -c "${{word#--wrap=}}" >"$HERE/wrapped" ;;
  esac
done
while [[ $1 == -* ]]; do shift; done
if [[ $# -gt 0 ]]; then
  for element in $(seq 0 "$last"); do
    SLURM_JOB_ID=$id$element SLURM_ARRAY_TASK_ID=$element bash "$@" >&2
  done
fi
echo "$id;{'a-cluster'}"
"""
# A slice that is there at once, and gone where training is to end with 255.
GCLOUD = """
case "$*" in
  *queued-resources\\ list*) cat "$HERE/state" 2>/dev/null || true ;;
  *queued-resources\\ create*) echo ACTIVE >"$HERE/state" ;;
  *queued-resources\\ delete*) rm "$HERE/state" ;;
  *tpu-vm\\ ssh*experiments.train\\ *)
    for word; do
      if [[ $word == --command=* ]]; then
        code=0
        (cd "$HERE" && bash -c "${word#--command=}") || code=$?
      fi
    done
    if ((code == 255)); then echo SUSPENDED >"$HERE/state"; fi
    exit "$code"
    ;;
esac
"""
# Ends with the next of the codes that were written down; 0 if there is none.
TRAIN = """
code=$(sed -n 1p "$HERE/codes" 2>/dev/null)
if [[ ${SLURM_PROCID:-1} == 1 ]]; then
  sed -i 1d "$HERE/codes" 2>/dev/null
  exit "${code:-0}"
fi
"""


class Cluster:
  """Runs scripts beside stubs of the commands that they call."""

  def __init__(self, here):
    self.here = here
    (here / 'bin').mkdir()
    for name, body in {
      'srun': SRUN,
      'sbatch': SBATCH,
      'scontrol': '',
      'gcloud': GCLOUD,
      'git': '',
      'python': TRAIN,
    }.items():
      self.add(f'bin/{name}', body)
    self.environment = os.environ | {
      'HERE': str(here),
      'PATH': f'{here}/bin:{os.environ["PATH"]}',
      'PYTHON': str(here / 'bin' / 'python'),
      'PAUSE': '0',
      'SHARE': '10.0.0.2:/vaegan',
    }

  def add(self, name, body):
    """Makes a command that writes down its words and does something."""
    path = self.here / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # A unit separator behind each word, a record separator behind all.
    noted = f"""printf '%s\\x1f' {path.name} "$@" $'\\x1e' >>"$HERE/log\""""
    path.write_text(f'#!/usr/bin/env bash\n{noted}\n{body}')
    path.chmod(0o755)

  def codes(self, *codes):
    text = ''.join(f'{code}\n' for code in codes)
    (self.here / 'codes').write_text(text)

  def command(self, script, *words):
    return ['bash', str(CLUSTER / script), *map(str, words)]

  def run(self, script, *words, **environment):
    return subprocess.run(
      self.command(script, *words),
      cwd=ROOT,
      env=self.environment | environment,
      capture_output=True,
      text=True,
      timeout=600,
    )

  def calls(self, start=''):
    """Gives the calls that begin with these words, as lists of words."""
    path = self.here / 'log'
    log = path.read_text() if path.exists() else ''
    calls = [call.split('\x1f')[:-1] for call in log.split('\x1e\x1f')[:-1]]
    return [call for call in calls if call[0].startswith(start)]


DOCUMENTS = [
  CLUSTER / 'slurm.sh',
  CLUSTER / 'tpu_pod.sh',
  ROOT / 'docs' / 'cluster.md',
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
  return Cluster(tmp_path)


def job(cluster, *words, **environment):
  return cluster.run('slurm.sh', *words, SLURM_JOB_ID='7', **environment)


def commands(text):
  """Finds the commands in a text that train by a script, as lists of words."""
  text = re.sub(r' *\\\n#? *', ' ', text)
  found = re.findall(r'\w+\.sh(?: --.*)', text)
  whole = [x for x in found if not x.startswith('sweep')]  # has its own config
  return [line.replace('%a', '0').split()[1:] for line in whole]


def lines(script, start):
  text = (CLUSTER / script).read_text()
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


@pytest.mark.parametrize('code', [0, *HOPELESS, 130])
def test_a_slurm_job_that_ended_for_good_is_not_queued_again(cluster, code):
  cluster.codes(code)
  assert job(cluster).returncode == code
  assert not cluster.calls('scontrol')


@pytest.mark.parametrize('code', [*PASSING, 137])
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
  assert 'after 2 restarts: not queued again' in result.stderr


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
  cluster.add('bin/srun', REAL_SRUN)
  config = small.config(cluster.here / 'cache', steps=200)
  words = ['--config=experiments/configs/demo.py']
  words += [
    f'--config.{name}={",".join(map(str, x)) if isinstance(x, tuple) else x}'
    for name, x in records.flatten(config).items()
    if x != records.flatten(demo.get_config())[name]
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
  records.write_config(cluster.here / 'model', config)
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
  cluster.add('vaegan_jax/.venv/bin/python', TRAIN)
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


@pytest.mark.parametrize('code', HOPELESS)
def test_a_pod_whose_run_cannot_go_on_is_deleted_at_once(cluster, code):
  assert pod(cluster, code).returncode == code
  assert len(cluster.calls('python')) == 1
  assert asked(cluster, 'queued-resources delete') == 1


def test_a_slice_that_cannot_be_had_ends_the_script(cluster):
  (cluster.here / 'state').write_text('FAILED\n')
  result = pod(cluster)
  assert result.returncode == 1
  assert 'quota, type, version or zone' in result.stderr
  assert asked(cluster, 'queued-resources delete') == 1


def test_a_pod_is_deleted_when_the_script_is_interrupted(cluster):
  cluster.add('vaegan_jax/.venv/bin/python', 'sleep 60')
  process = subprocess.Popen(
    cluster.command('tpu_pod.sh'),
    cwd=ROOT,
    env=cluster.environment,
    start_new_session=True,
    stderr=subprocess.DEVNULL,
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


@pytest.mark.parametrize('path', JOBSETS, ids=lambda path: path.name)
def test_a_jobset_fits_its_schema(path):
  assert jobset_schema.errors(yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize(
  ('old', 'new', 'message'),
  [
    ('backoffLimit', 'backofLimit', 'backofLimit does not exist'),
    ('FailJob\n', 'Fail\n', "'Fail' is not"),
    ('[1, 70, 74]', "['1']", "'1' is not <class 'int'>"),
    ('restartPolicy: Never', 'hostNetwork: true', 'restartPolicy is missing'),
    ('name: vaegan\n', 'name: Vaegan\n', "'Vaegan' is not"),
  ],
)
def test_the_schema_finds_what_is_wrong(old, new, message):
  text = (CLUSTER / 'jobset.yaml').read_text()
  assert old in text
  found = jobset_schema.errors(yaml.safe_load(text.replace(old, new, 1)))
  assert message in '\n'.join(found)


def parts(path):
  """Gives the name of a JobSet, its job and its container."""
  jobset = yaml.safe_load(path.read_text())
  (replicated,) = jobset['spec']['replicatedJobs']
  job = replicated['template']['spec']
  (container,) = job['template']['spec']['containers']
  return jobset, replicated, job, container


@pytest.mark.parametrize('path', JOBSETS, ids=lambda path: path.name)
def test_a_jobset_starts_again_unless_that_is_hopeless(path):
  jobset, _, job, container = parts(path)
  (rule,) = job['podFailurePolicy']['rules']
  assert tuple(rule['onExitCodes']['values']) == HOPELESS
  assert rule['onExitCodes']['containerName'] == container['name']
  policy = jobset['spec']['failurePolicy']
  assert policy['rules'][0]['action'] == 'FailJobSet'
  assert policy['rules'][0]['onJobFailureReasons'] == ['PodFailurePolicy']
  assert policy['maxRestarts'] >= 10
  assert job['backoffLimit'] == 0


@pytest.mark.parametrize('path', JOBSETS, ids=lambda path: path.name)
def test_the_words_of_a_jobset_are_flags_of_train(path):
  *_, container = parts(path)
  overrides.check(container['args'])
  source = (ROOT / 'experiments' / 'train.py').read_text()
  known = set(re.findall(r"DEFINE_\w+\(\s*'(\w+)'", source))
  named = {word.lstrip('-').partition('=')[0] for word in container['args']}
  assert {name for name in named if '.' not in name} <= known
  assert '--multihost' in container['args']


def test_the_pods_of_a_jobset_find_each_other():
  jobset, replicated, job, container = parts(CLUSTER / 'jobset.yaml')
  given = dict(x.lstrip('-').split('=') for x in container['args'] if '=' in x)
  assert job['parallelism'] == job['completions'] == int(given['processes'])
  assert job['completionMode'] == 'Indexed'
  assert given['process'] == '$(JOB_COMPLETION_INDEX)'
  # Where JobSet's documents say that the first pod of the first job is.
  name = jobset['metadata']['name']
  host = f'{name}-{replicated["name"]}-0-0.{name}'
  assert given['coordinator'].split(':')[0] == host


def test_the_tpu_slice_has_a_pod_for_each_of_its_hosts():
  _, _, job, container = parts(CLUSTER / 'jobset_tpu.yaml')
  nodes = job['template']['spec']['nodeSelector']
  rows, columns = nodes['cloud.google.com/gke-tpu-topology'].split('x')
  chips = container['resources']['limits']['google.com/tpu']
  assert job['parallelism'] == job['completions']
  assert job['parallelism'] * chips == int(rows) * int(columns)


def test_both_jobsets_differ_only_in_where_they_run():
  def common(path):
    jobset, _, job, container = copy.deepcopy(parts(path))
    jobset['metadata'].pop('annotations', None)
    for name in ('parallelism', 'completions'):
      del job[name]
    job['template']['spec'].pop('nodeSelector', None)
    del container['image'], container['resources']
    rendezvous = ('--coordinator=', '--processes=', '--process=')
    container['args'] = [
      word for word in container['args'] if not word.startswith(rendezvous)
    ]
    return jobset

  assert common(JOBSETS[0]) == common(JOBSETS[1])


def test_the_image_is_made_of_files_that_exist():
  text = (CLUSTER / 'Dockerfile').read_text()
  for sources in re.findall(r'^COPY (.*) \S+$', text, re.MULTILINE):
    for source in sources.split():
      assert (ROOT / source).exists(), source
  (extra,) = re.findall(r'^ARG EXTRA=(\w+)$', text, re.MULTILINE)
  assert f'\n{extra} =' in (ROOT / 'setup.cfg').read_text()
