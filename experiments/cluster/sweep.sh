#!/usr/bin/env bash
# Trains several gammas, each with several seeds, on Slurm; writes one table.
#
#   bash experiments/cluster/sweep.sh --config.data.path=/shared/celeba
#
# Submits an array for each gamma, with an element for each seed. Each element
# has its own folder, and slurm.sh requeues it after a preemption. All arguments
# go to experiments.train. The same command resumes unfinished runs. The table
# is written when all runs have ended, successful or not; until then
# `python -m experiments.compare DIR` shows their progress.
set -euo pipefail

# Edit these, or set them in the environment.
CONFIG=${CONFIG:-experiments/configs/celeba.py}
RUNS=${RUNS:-runs/sweep}
GAMMAS=${GAMMAS:-1e-6 1e-5 1e-4}
SEEDS=${SEEDS:-0-2}  # as for --array: 0-2 or 0,3,7; 0-9%4: four at once
GPUS=${GPUS:-1}      # per run, on one node
TIME=${TIME:-24:00:00}
export PYTHON=${PYTHON:-.venv/bin/python}

mkdir -p "$RUNS"
jobs=()
for gamma in $GAMMAS; do
  job=$(sbatch --parsable --array="$SEEDS" --job-name="gamma_$gamma" \
    --nodes=1 --ntasks-per-node="$GPUS" --gpus-per-node="$GPUS" \
    --time="$TIME" --output="$RUNS/%x-%a.log" experiments/cluster/slurm.sh \
    --config="$CONFIG" --workdir="$RUNS/gamma_$gamma-seed_%a" \
    --config.gamma="$gamma" --config.seed=%a "$@")
  jobs+=("${job%%;*}") # federated clusters append their name
done

after=$(IFS=: && echo "${jobs[*]}")
sbatch --dependency="afterany:$after" --job-name=vaegan-table --ntasks=1 \
  --time=10 --output="$RUNS/table.txt" \
  --wrap="$PYTHON -m experiments.compare $RUNS --output=$RUNS/table.md"
echo "The table will be in $RUNS/table.txt and $RUNS/table.md."
