"""What a JobSet may hold, as far as this project uses it; nothing else passes.

A dict is an object with these fields and no others, of which those ending in
'!' must be there; a list is a list of such; a type is itself; a set is a choice
of values; a string is a pattern that a text must match; ANY: names to texts.
Kubernetes itself passes over some fields that it does not know.

Source: JobSet v1alpha2 (kubernetes-sigs/jobset, api/jobset/v1alpha2), and
batch/v1 and core/v1 of Kubernetes 1.35.
"""

import re

ANY = object()
# A name that can be part of a host's.
LABEL = r'[a-z]([a-z0-9-]{0,40}[a-z0-9])?'

_CONTAINER = {
  'name!': LABEL,
  'image!': str,
  'args': [str],
  'resources': {'limits': {'nvidia.com/gpu': int, 'google.com/tpu': int}},
  'volumeMounts': [{'name!': LABEL, 'mountPath!': r'/.*'}],
}
_POD = {
  'restartPolicy!': {'Never'},  # a podFailurePolicy allows no other
  'terminationGracePeriodSeconds': int,
  'nodeSelector': ANY,
  'containers!': [_CONTAINER],
  'volumes': [{'name!': LABEL, 'persistentVolumeClaim': {'claimName!': LABEL}}],
}
_EXIT_CODES = {
  'containerName': LABEL,
  'operator!': {'In', 'NotIn'},
  'values!': [int],
}
_JOB = {
  'parallelism': int,
  'completions': int,
  'completionMode': {'Indexed', 'NonIndexed'},
  'backoffLimit': int,
  'podFailurePolicy': {
    'rules!': [
      {
        'action!': {'FailJob', 'FailIndex', 'Ignore', 'Count'},
        'onExitCodes': _EXIT_CODES,
      }
    ]
  },
  'template!': {'spec!': _POD},
}
_RULE = {
  'name!': r'[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?',
  'action!': {
    'FailJobSet',
    'RestartJobSet',
    'RestartJobSetAndIgnoreMaxRestarts',
  },
  'onJobFailureReasons': [
    {'BackoffLimitExceeded', 'DeadlineExceeded', 'PodFailurePolicy'}
  ],
}
JOBSET = {
  'apiVersion!': {'jobset.x-k8s.io/v1alpha2'},
  'kind!': {'JobSet'},
  'metadata!': {'name!': LABEL, 'annotations': ANY},
  'spec!': {
    'failurePolicy': {'maxRestarts': int, 'rules': [_RULE]},
    'replicatedJobs!': [
      {'name!': LABEL, 'replicas': int, 'template!': {'spec!': _JOB}}
    ],
  },
}


def errors(found, schema=JOBSET, place=''):
  """Lists what a document has that it may not have, and what it lacks."""
  if schema is ANY:
    texts = isinstance(found, dict) and all(
      isinstance(x, str) for pair in found.items() for x in pair
    )
    return [] if texts else [f'{place}: expected names and texts']
  if isinstance(schema, dict):
    return _object_errors(found, schema, place)
  if isinstance(schema, list):
    if not isinstance(found, list):
      return [f'{place}: expected a list']
    each = (errors(x, schema[0], f'{place}[{i}]') for i, x in enumerate(found))
    return [error for several in each for error in several]
  if isinstance(schema, type):
    fits = type(found) is schema
  elif isinstance(schema, set):
    fits = found in schema
  else:
    fits = isinstance(found, str) and re.fullmatch(schema, found)
  return [] if fits else [f'{place}: {found!r} is not {schema}']


def _object_errors(found, schema, place):
  if not isinstance(found, dict):
    return [f'{place}: expected an object']
  known = {name.rstrip('!'): inside for name, inside in schema.items()}
  needed = [name[:-1] for name in schema if name.endswith('!')]
  wrong = [f'{place}.{name} is missing' for name in needed if name not in found]
  for name, inside in found.items():
    if name in known:
      wrong += errors(inside, known[name], f'{place}.{name}')
    else:
      wrong.append(f'{place}.{name} does not exist')
  return wrong
