#!/usr/bin/env bash
# Trains on GPU nodes of a Slurm cluster: one process for each GPU.
#
#   sbatch experiments/cluster/slurm.sh --workdir=runs/celeba \
#     --config=experiments/configs/celeba.py --config.data.path=/shared/celeba
#
# All words behind the script go to experiments.train. In an array %a stands
# for the element, so this trains five seeds, each in a folder of its own:
#
#   sbatch --array=0-4 experiments/cluster/slurm.sh --workdir=runs/seed_%a \
#     --config=experiments/configs/celeba.py --config.seed=%a
#
# Submit it from the project's folder; that folder, the workdir and the images
# must be the same on all nodes.
#
# To edit, or to give to sbatch before the script: partition and account, nodes,
# GPUs of a node, time.
#SBATCH --job-name=vaegan
#SBATCH --nodes=2
# JAX takes a task's number on its node for the number of its GPU. So there are
# as many tasks as GPUs, and every task must see all GPUs of its node: no
# --gpus-per-task, no --gpu-bind.
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
# SIGTERM to the tasks, not to this script, five minutes before the time is up:
# they save their state and end with 143.
#SBATCH --signal=TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -euo pipefail

PYTHON=${PYTHON:-.venv/bin/python}
RESTARTS=${RESTARTS:-100} # at most, lest a job that cannot work comes for ever

job=${SLURM_JOB_ID:?submit this script with sbatch}
# Since Slurm 22.05 srun does not take it over from sbatch.
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}

# The first task to end must not take along one that is still saving.
code=0
srun --kill-on-bad-exit=0 "$PYTHON" -m experiments.train --multihost \
  "${@//%a/${SLURM_ARRAY_TASK_ID:-0}}" || code=$?

# srun gives the highest code of all tasks. Those of experiments.train are in
# docs/reliability.md; above 128 a task was ended by a signal.
case $code in
  75 | 134 | 137 | 139 | 143)
    restarts=${SLURM_RESTART_COUNT:-0}
    if ((restarts < RESTARTS)); then
      echo "Ended with $code: queued again, to go on where it was."
      scontrol requeue "$job"
    else
      echo "Ended with $code after $restarts restarts: not queued again." >&2
    fi
    ;;
esac
exit "$code"
