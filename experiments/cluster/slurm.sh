#!/usr/bin/env bash
# Trains on GPU nodes of a Slurm cluster: one process for each GPU.
#
#   sbatch experiments/cluster/slurm.sh --workdir=runs/celeba \
#     --config=experiments/configs/celeba.py --config.data.path=/shared/celeba
#
# All arguments go to experiments.train. In an array, %a stands for the
# element's number, so this trains five seeds, each in its own folder:
#
#   sbatch --array=0-4 experiments/cluster/slurm.sh --workdir=runs/seed_%a \
#     --config=experiments/configs/celeba.py --config.seed=%a
#
# Submit it from the project's folder. All nodes must see that folder, the
# workdir and the images under the same paths.
#
# Edit below, or pass to sbatch before the script: partition, account, nodes,
# GPUs per node, time.
#SBATCH --job-name=vaegan
#SBATCH --nodes=2
# JAX gives each task the GPU with the task's number on its node. So start as
# many tasks as GPUs, and let each task see all GPUs of its node: no
# --gpus-per-task, no --gpu-bind.
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
# Five minutes before the time limit the tasks, not this script, get SIGTERM:
# they save their state and end with 143.
#SBATCH --signal=TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -euo pipefail

PYTHON=${PYTHON:-.venv/bin/python}
RESTARTS=${RESTARTS:-100} # limit, so that a broken job is not requeued forever

job=${SLURM_JOB_ID:?submit this script with sbatch}
# One element of an array has the number of the whole array as its own.
if [[ ${SLURM_ARRAY_JOB_ID:-} ]]; then
  job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
fi
# glibc keeps the memory that a step frees (docs/performance.md).
export GLIBC_TUNABLES=${GLIBC_TUNABLES-glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1099511627776:glibc.malloc.top_pad=67108864}
# Since Slurm 22.05 srun does not inherit it from sbatch.
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}

# The first task that ends must not kill one that is still saving.
code=0
srun --kill-on-bad-exit=0 "$PYTHON" -m experiments.train --multihost \
  "${@//%a/${SLURM_ARRAY_TASK_ID:-0}}" || code=$?

# srun returns the highest exit code of its tasks. docs/reliability.md lists
# those of experiments.train; above 128 a signal ended a task.
case $code in
  75 | 134 | 137 | 139 | 143)
    restarts=${SLURM_RESTART_COUNT:-0}
    if ((restarts < RESTARTS)); then
      echo "Ended with $code: requeued, to resume."
      scontrol requeue "$job"
    else
      echo "Ended with $code after $restarts restarts: not requeued." >&2
    fi
    ;;
esac
exit "$code"
