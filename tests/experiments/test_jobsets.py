"""The manifests for Kubernetes, and their image."""

import copy
import re

import pytest
import yaml

from experiments import overrides
from tests import ROOT, stub_cluster

FOLDER = stub_cluster.SCRIPTS
JOBSETS = sorted(FOLDER.glob('*.yaml'))

# The fields in use. Kubernetes ignores some fields that it does not know.
# Source: JobSet v1alpha2 (kubernetes-sigs/jobset, api/jobset/v1alpha2), and
# batch/v1 and core/v1 of Kubernetes 1.35.
JOB = '.spec.replicatedJobs[].template.spec'
POD = f'{JOB}.template.spec'
RULE = f'{JOB}.podFailurePolicy.rules[]'
FIELDS = {
  '.apiVersion': 'jobset.x-k8s.io/v1alpha2',
  '.kind': 'JobSet',
  '.metadata.name': '[a-z]+',
  '.spec.failurePolicy.maxRestarts': r'\d+',
  '.spec.failurePolicy.rules[].name': '[a-z]+',
  '.spec.failurePolicy.rules[].action': 'FailJobSet',
  '.spec.failurePolicy.rules[].onJobFailureReasons[]': 'PodFailurePolicy',
  '.spec.replicatedJobs[].name': '[a-z]+',
  '.spec.replicatedJobs[].replicas': r'\d+',
  f'{JOB}.parallelism': r'\d+',
  f'{JOB}.completions': r'\d+',
  f'{JOB}.completionMode': 'Indexed',
  f'{JOB}.backoffLimit': r'\d+',
  f'{RULE}.action': 'FailJob',
  f'{RULE}.onExitCodes.containerName': '[a-z]+',
  f'{RULE}.onExitCodes.operator': 'In',
  f'{RULE}.onExitCodes.values[]': r'\d+',
  f'{POD}.restartPolicy': 'Never',  # a podFailurePolicy allows no other
  f'{POD}.terminationGracePeriodSeconds': r'\d+',
  f'{POD}.containers[].name': '[a-z]+',
  f'{POD}.containers[].image': '.+',
  f'{POD}.containers[].args[]': '--.+',
  f'{POD}.containers[].volumeMounts[].name': '[a-z]+',
  f'{POD}.containers[].volumeMounts[].mountPath': '/.+',
  f'{POD}.volumes[].name': '[a-z]+',
  f'{POD}.volumes[].persistentVolumeClaim.claimName': '[a-z]+',
}
LIMITS = f'{POD}.containers[].resources.limits'
OWN = {
  'jobset.yaml': {f'{LIMITS}.nvidia.com/gpu': r'\d+'},
  'jobset_tpu.yaml': {
    f'{LIMITS}.google.com/tpu': r'\d+',
    f'{POD}.nodeSelector.cloud.google.com/gke-tpu-accelerator': 'tpu-.+',
    f'{POD}.nodeSelector.cloud.google.com/gke-tpu-topology': r'\d+x\d+',
    '.metadata.annotations.alpha.jobset.sigs.k8s.io/exclusive-topology': (
      'cloud.google.com/gke-nodepool'
    ),
  },
}


def leaves(found, place=''):
  """Lists (field, value) of a document."""
  if isinstance(found, dict):
    return [x for k, v in found.items() for x in leaves(v, f'{place}.{k}')]
  if isinstance(found, list):
    return [x for v in found for x in leaves(v, f'{place}[]')]
  return [(place, found)]


@pytest.mark.parametrize('path', JOBSETS, ids=lambda path: path.name)
def test_a_jobset_has_the_fields_of_its_schema(path):
  fields = FIELDS | OWN[path.name]
  found = leaves(yaml.safe_load(path.read_text()))
  assert {place for place, _ in found} == set(fields)
  for place, value in found:
    # Numbers are numbers, and all else is text.
    assert type(value) is (int if fields[place] == r'\d+' else str), place
    assert re.fullmatch(fields[place], str(value)), place


def parts(path):
  """Returns a JobSet, its replicated job, its job and its container."""
  jobset = yaml.safe_load(path.read_text())
  (replicated,) = jobset['spec']['replicatedJobs']
  job = replicated['template']['spec']
  (container,) = job['template']['spec']['containers']
  return jobset, replicated, job, container


@pytest.mark.parametrize('path', JOBSETS, ids=lambda path: path.name)
def test_a_jobset_restarts_unless_that_is_hopeless(path):
  jobset, _, job, container = parts(path)
  (rule,) = job['podFailurePolicy']['rules']
  assert tuple(rule['onExitCodes']['values']) == stub_cluster.HOPELESS
  assert rule['onExitCodes']['containerName'] == container['name']
  assert jobset['spec']['failurePolicy']['maxRestarts'] >= 10
  assert job['backoffLimit'] == 0


@pytest.mark.parametrize('path', JOBSETS, ids=lambda path: path.name)
def test_the_arguments_of_a_jobset_are_flags_of_train(path):
  *_, container = parts(path)
  overrides.resolve(container['args'])
  source = (ROOT / 'experiments' / 'train.py').read_text()
  known = set(re.findall(r"DEFINE_\w+\(\s*'(\w+)'", source))
  named = {word.lstrip('-').partition('=')[0] for word in container['args']}
  assert {name for name in named if '.' not in name} <= known
  assert '--multihost' in container['args']


def test_the_pods_of_a_jobset_find_each_other():
  jobset, replicated, job, container = parts(FOLDER / 'jobset.yaml')
  given = dict(x.lstrip('-').split('=') for x in container['args'] if '=' in x)
  assert job['parallelism'] == job['completions'] == int(given['processes'])
  assert given['process'] == '$(JOB_COMPLETION_INDEX)'
  # The host name of the first pod of the first job, by JobSet's documentation.
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
    del job['parallelism'], job['completions']
    job['template']['spec'].pop('nodeSelector', None)
    del container['image'], container['resources']
    rendezvous = ('--coordinator=', '--processes=', '--process=')
    container['args'] = [
      word for word in container['args'] if not word.startswith(rendezvous)
    ]
    return jobset

  assert common(JOBSETS[0]) == common(JOBSETS[1])


def test_the_image_is_made_of_files_that_exist():
  text = (ROOT / 'Dockerfile').read_text()
  for sources in re.findall(r'^COPY (.*) \S+$', text, re.MULTILINE):
    for source in sources.split():
      assert (ROOT / source).exists(), source
  extras = re.findall(r'EXTRA=(\w+)', text)
  assert set(extras) == {'cuda', 'tpu'}
  for extra in extras:
    assert f'\n{extra} =' in (ROOT / 'setup.cfg').read_text()
