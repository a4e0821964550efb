#!/usr/bin/env bash
# Trains on a spot slice of a TPU pod, and on the next one after a preemption.
#
#   SHARE=10.0.0.2:/vaegan bash experiments/cluster/tpu_pod.sh \
#     --config=experiments/configs/celeba.py \
#     --workdir=/mnt/vaegan/runs/celeba --config.data.path=/mnt/vaegan/celeba
#
# All arguments go to experiments.train, which runs once on each host of the
# slice. Only committed files are copied. Start the script in the project's
# folder, in tmux, on a machine that stays up and has gcloud logged in.
#
# The disks of a spot slice are lost with it, so workdir and images must be on a
# share that all hosts mount: an NFS server such as Filestore, in the same
# network and writable for the user. (Not a bucket: it has no locks.)
#
# The script always deletes the slice when it ends.
set -euo pipefail

# Edit these, or set them in the environment.
NAME=${NAME:-vaegan}
ZONE=${ZONE:-us-west4-a}
TYPE=${TYPE:-v5litepod-16}              # 16 chips on 4 hosts
VERSION=${VERSION:-v2-alpha-tpuv5-lite} # must match TYPE
SHARE=${SHARE:?set it to the share to mount, as ADDRESS:/NAME}
MOUNT=${MOUNT:-/mnt/vaegan}
STARTS=${STARTS:-100} # limit
PAUSE=${PAUSE:-30}    # seconds between checks of the queue

# glibc keeps the memory that a step frees (docs/performance.md).
TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1099511627776:glibc.malloc.top_pad=67108864

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

# Waits in the queue for a slice; requests another after a preemption.
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
        echo "No slice: check quota, type, version and zone." >&2
        exit 1
        ;;
    esac
    sleep "$PAUSE"
  done
}

# uv installs Python 3.11, as the image's Python is too old.
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

# Stops processes that a lost connection left running, and waits until they have
# saved. (The brackets keep the pattern from matching this command itself.)
settle() {
  everywhere "pkill -f '[e]xperiments.train' || true
    while pgrep -f '[e]xperiments.train' >/dev/null; do sleep 1; done"
}

train() {
  everywhere "cd vaegan_jax && GLIBC_TUNABLES=$TUNABLES \
    .venv/bin/python -m experiments.train --multihost$words"
}

# shellcheck disable=SC2329 # called by the trap
finish() {
  rm -f "$archive"
  if [[ $(state) == ACTIVE ]]; then settle || true; fi
  release || echo "Check that $NAME is deleted: it costs money." >&2
}

words=$(printf ' %q' "$@")
archive=$(mktemp --suffix=.tgz)
trap finish EXIT

for ((start = 1; start <= STARTS; start++)); do
  obtain
  code=0
  { install && settle && train; } || code=$?
  # The code is that of experiments.train only if the slice still exists.
  case $code:$(state) in
    0:* | 1:ACTIVE | 70:ACTIVE | 74:ACTIVE) exit "$code" ;;
  esac
  echo "Start $start ended with $code: resuming from the newest checkpoint."
done
echo "Gave up after $STARTS starts." >&2
exit "$code"
