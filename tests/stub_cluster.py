"""Stub clusters: commands that log their arguments and imitate a scheduler."""

import os
import subprocess

from tests import ROOT

SCRIPTS = ROOT / 'experiments' / 'cluster'

# Exit codes of experiments.train after which a restart fails again, and after
# which it can succeed.
HOPELESS = (1, 70, 74)
PASSING = (75, 143)

# Runs two tasks and returns the higher exit code. With WARN it sends one
# SIGTERM when a step is logged, as at the end of the time limit.
SRUN = """
while [[ $1 == -* ]]; do shift; done
tasks=()
for task in 0 1; do
  SLURM_NTASKS=2 SLURM_STEP_NODELIST=localhost SLURM_PROCID=$task \\
    SLURM_LOCALID=$task "$@" &
  tasks+=("$!")
done
if [[ -n ${WARN:-} && ! -e $HERE/warned ]]; then
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
# Runs each element of an array, or the wrapped command, at once.
SBATCH = """
echo . >>"$HERE/jobs"
id=$(wc -l <"$HERE/jobs")
for word; do
  case $word in
    --array=*) last=${word#*-array=0-} ;;
    --wrap=*) bash -c "${word#--wrap=}" ;;
  esac
done
while [[ $1 == -* ]]; do shift; done
if [[ $# -gt 0 ]]; then
  for element in $(seq 0 "$last"); do
    SLURM_JOB_ID=$id$element SLURM_ARRAY_TASK_ID=$element bash "$@" >&2
  done
fi
echo "$id;a-cluster"
"""
# Provides a slice at once, and takes it away when training ends with 255.
GCLOUD = """
case "$*" in
  *queued-resources\\ list*) cat "$HERE/state" 2>/dev/null || true ;;
  *queued-resources\\ create*) echo ACTIVE >"$HERE/state" ;;
  *queued-resources\\ delete*) rm "$HERE/state" ;;
  *tpu-vm\\ ssh*experiments.train\\ *)
    code=0
    for word; do
      if [[ $word == --command=* ]]; then command=${word#--command=}; fi
    done
    (cd "$HERE" && bash -c "$command") || code=$?
    if ((code == 255)); then echo SUSPENDED >"$HERE/state"; fi
    exit "$code"
    ;;
esac
"""
# Ends with the next code of a list, and with 0 after the last.
TRAIN = """
code=$(sed -n 1p "$HERE/codes" 2>/dev/null)
if [[ ${SLURM_PROCID:-1} == 1 ]]; then
  sed -i 1d "$HERE/codes" 2>/dev/null
  exit "${code:-0}"
fi
"""
COMMANDS = {'srun': SRUN, 'sbatch': SBATCH, 'gcloud': GCLOUD, 'python': TRAIN}


class Cluster:
  """Runs scripts with stubs of the commands that they call."""

  def __init__(self, here):
    self.here = here
    for name, body in (COMMANDS | {'scontrol': '', 'git': ''}).items():
      self.add(f'bin/{name}', body)
    self.environment = os.environ | {
      'HERE': str(here),
      'PATH': f'{here}/bin:{os.environ["PATH"]}',
      'PYTHON': str(here / 'bin' / 'python'),
      'PAUSE': '0',
      'SHARE': '10.0.0.2:/vaegan',
    }

  def add(self, name, body):
    """Adds a command that logs its arguments and runs a body."""
    path = self.here / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # A unit separator follows each word, a record separator the last.
    noted = f"""printf '%s\\x1f' {path.name} "$@" $'\\x1e' >>"$HERE/log\""""
    path.write_text(f'#!/usr/bin/env bash\n{noted}\n{body}')
    path.chmod(0o755)

  def command(self, script, *words):
    return ['bash', str(SCRIPTS / script), *words]

  def run(self, script, *words, codes=(), **environment):
    """Runs a script whose training ends with these codes in turn."""
    (self.here / 'codes').write_text(''.join(f'{code}\n' for code in codes))
    return subprocess.run(
      self.command(script, *words),
      cwd=ROOT,
      env=self.environment | environment,
      capture_output=True,
      text=True,
      timeout=600,
    )

  def calls(self, command):
    """Returns the calls of a command, as lists of words."""
    path = self.here / 'log'
    log = path.read_text() if path.exists() else ''
    calls = [call.split('\x1f')[:-1] for call in log.split('\x1e\x1f')[:-1]]
    return [call for call in calls if call[0] == command]
