#!/usr/bin/env bash
# Trains on a slice of a TPU pod; where it is taken away, goes on with the next.
#
#   SHARE=10.0.0.2:/vaegan bash experiments/cluster/tpu_pod.sh \
#     --config=experiments/configs/celeba.py \
#     --workdir=/mnt/vaegan/runs/celeba --config.data.path=/mnt/vaegan/celeba
#
# All words go to experiments.train, which runs once on each host of the slice.
# What is not committed does not come along. Start it in the project's folder,
# in tmux on a machine that stays up and where gcloud is logged in.
#
# The disks of a spot slice go with it, so workdir and images must lie on a
# share that all hosts mount: an NFS server such as Filestore, in the same
# network and writable for the user. (Not a bucket: it has no locks.)
#
# The slice is deleted when this script ends, however it ends.
set -euo pipefail

# To edit, or to set in the environment.
NAME=${NAME:-vaegan}
ZONE=${ZONE:-us-west4-a}
TYPE=${TYPE:-v5litepod-16}              # 16 chips on 4 hosts
VERSION=${VERSION:-v2-alpha-tpuv5-lite} # goes with the type
SHARE=${SHARE:?give the share to mount, as ADDRESS:/NAME}
MOUNT=${MOUNT:-/mnt/vaegan}
STARTS=${STARTS:-100} # at most
PAUSE=${PAUSE:-30}    # seconds between two looks at the queue

tpus() {
  gcloud compute tpus "$@" --zone="$ZONE" --quiet
}

everywhere() {
  tpus tpu-vm ssh "$NAME" --worker=all --command="$1"
}

state() {
  tpus queued-resources list --filter="name~/$NAME\$" \
    --format='value(state.state)'
}

release() {
  tpus queued-resources delete "$NAME" --force
}

# Waits in the queue; asks again where a slice was taken away.
obtain() {
  local now
  while true; do
    now=$(state) || now=unknown
    case $now in
      ACTIVE) return ;;
      '')
        tpus queued-resources create "$NAME" --node-id="$NAME" --spot \
          --accelerator-type="$TYPE" --runtime-version="$VERSION"
        ;;
      SUSPENDED) release ;;
      FAILED)
        echo "Cannot be had: quota, type, version or zone is wrong." >&2
        exit 1
        ;;
    esac
    sleep "$PAUSE"
  done
}

# The image's Python is too old: uv brings another.
install() {
  git archive --format=tgz --output="$archive" HEAD &&
    tpus tpu-vm scp "$archive" "$NAME:vaegan_jax.tgz" --worker=all &&
    everywhere "set -e
      mountpoint -q $MOUNT || {
        sudo apt-get -qq update && sudo apt-get -qq install nfs-common
        sudo mkdir -p $MOUNT && sudo mount -t nfs $SHARE $MOUNT
      }
      mkdir -p vaegan_jax && tar -xzf vaegan_jax.tgz -C vaegan_jax
      cd vaegan_jax && python3 -m pip install --quiet --user uv
      test -d .venv || ~/.local/bin/uv venv --quiet --python 3.11 .venv
      ~/.local/bin/uv pip install --quiet -r requirements.txt -e '.[tpu]'"
}

# Ends what a lost connection has left running, and waits until it has saved.
# (The brackets keep the pattern from finding this very command.)
settle() {
  everywhere "pkill -f '[e]xperiments.train' || true
    while pgrep -f '[e]xperiments.train' >/dev/null; do sleep 1; done"
}

train() {
  everywhere "cd vaegan_jax && .venv/bin/python -m experiments.train \
    --multihost$words"
}

# shellcheck disable=SC2329 # it is called by the trap
finish() {
  rm -f "$archive"
  if [[ $(state) == ACTIVE ]]; then settle || true; fi
  release || echo "Look whether $NAME is gone: it costs." >&2
}

words=$(printf ' %q' "$@")
archive=$(mktemp --suffix=.tgz)
trap finish EXIT

for ((start = 1; start <= STARTS; start++)); do
  obtain
  code=0
  { install && settle && train; } || code=$?
  # A code is that of experiments.train only if the slice is still there.
  case $code:$(state) in
    0:* | 1:ACTIVE | 70:ACTIVE | 74:ACTIVE) exit "$code" ;;
  esac
  echo "Start $start ended with $code: once more, from the newest checkpoint."
done
echo "Given up after $STARTS starts." >&2
exit "$code"
