"""The manifests for Kubernetes, and their image."""

import copy
import re

import pytest
import yaml

from experiments import overrides
from tests import jobset_schema, stub_cluster

FOLDER = stub_cluster.SCRIPTS
JOBSETS = sorted(FOLDER.glob('*.yaml'))


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
  text = (FOLDER / 'jobset.yaml').read_text()
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
  assert tuple(rule['onExitCodes']['values']) == stub_cluster.HOPELESS
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
  source = (stub_cluster.ROOT / 'experiments' / 'train.py').read_text()
  known = set(re.findall(r"DEFINE_\w+\(\s*'(\w+)'", source))
  named = {word.lstrip('-').partition('=')[0] for word in container['args']}
  assert {name for name in named if '.' not in name} <= known
  assert '--multihost' in container['args']


def test_the_pods_of_a_jobset_find_each_other():
  jobset, replicated, job, container = parts(FOLDER / 'jobset.yaml')
  given = dict(x.lstrip('-').split('=') for x in container['args'] if '=' in x)
  assert job['parallelism'] == job['completions'] == int(given['processes'])
  assert job['completionMode'] == 'Indexed'
  assert given['process'] == '$(JOB_COMPLETION_INDEX)'
  # Where JobSet's documents say that the first pod of the first job is.
  name = jobset['metadata']['name']
  host = f'{name}-{replicated["name"]}-0-0.{name}'
  assert given['coordinator'].split(':')[0] == host


def test_the_tpu_slice_has_a_pod_for_each_of_its_hosts():
  _, _, job, container = parts(FOLDER / 'jobset_tpu.yaml')
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
  text = (FOLDER / 'Dockerfile').read_text()
  for sources in re.findall(r'^COPY (.*) \S+$', text, re.MULTILINE):
    for source in sources.split():
      assert (stub_cluster.ROOT / source).exists(), source
  (extra,) = re.findall(r'^ARG EXTRA=(\w+)$', text, re.MULTILINE)
  assert f'\n{extra} =' in (stub_cluster.ROOT / 'setup.cfg').read_text()
