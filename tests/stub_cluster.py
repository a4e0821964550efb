"""Clusters of stubs: commands that write down how they were called."""

import os
import subprocess

from tests import ROOT

SCRIPTS = ROOT / 'experiments' / 'cluster'

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
    return ['bash', str(SCRIPTS / script), *map(str, words)]

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
