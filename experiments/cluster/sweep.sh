#!/usr/bin/env bash
# Trains several gammas with several seeds each on Slurm, then writes one table.
#
#   bash experiments/cluster/sweep.sh --config.data.path=/shared/celeba
#
# An array for each gamma, an element of it for each seed; each has a folder of
# its own, and each is queued again by slurm.sh when it is preempted. All words
# go to experiments.train. The same command later goes on with what is not
# finished. The table comes when all have ended, well or not; until then
# `python -m experiments.compare DIR` shows how far they are.
set -euo pipefail

# To edit, or to set in the environment.
CONFIG=${CONFIG:-experiments/configs/celeba.py}
RUNS=${RUNS:-runs/sweep}
GAMMAS=${GAMMAS:-1e-6 1e-5 1e-4}
SEEDS=${SEEDS:-0-2}  # as --array wants them: 0-2 or 0,3,7; 0-9%4: four at once
GPUS=${GPUS:-1}      # of each run, on one node
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
  jobs+=("${job%%;*}") # on federated clusters a name follows
done

after=$(IFS=: && echo "${jobs[*]}")
sbatch --dependency="afterany:$after" --job-name=vaegan-table --ntasks=1 \
  --time=10 --output="$RUNS/table.txt" \
  --wrap="$PYTHON -m experiments.compare $RUNS --output=$RUNS/table.md"
echo "The table will be in $RUNS/table.txt and $RUNS/table.md."
