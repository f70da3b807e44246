#!/usr/bin/env bash
# Makes the virtual environment, then renders, trains, exports and evaluates the whole model folder with one fixed seed.
#   models/phantom/training/train.sh [--output DIR] [other options of `python -m phantom --help`]
# PHANTOM_VENV names the environment's folder (default: .venv beside this file). Python 3.11 or newer; no GPU is used.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
venv="${PHANTOM_VENV:-$here/.venv}"

if [[ ! -x "$venv/bin/python" ]]; then
  "${PYTHON:-python3}" -m venv "$venv"
fi
if ! cmp -s "$here/requirements.txt" "$venv/requirements.installed"; then
  "$venv/bin/python" -m pip install --quiet -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/requirements.installed"
fi

export PYTHONPATH="$here" CUDA_VISIBLE_DEVICES="" HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
export OMP_WAIT_POLICY=PASSIVE # idle threads sleep, which helps on a shared machine
export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=4294967296 # keep freed memory: page faults took half of the time
exec "$venv/bin/python" -m phantom "$@"
