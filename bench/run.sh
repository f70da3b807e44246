#!/usr/bin/env bash
# Runs all benchmarks and writes bench/results.md. Python peers live in a virtual environment in the cache.
set -euo pipefail
cd "$(dirname "$0")/.."
cache="${COHORTFARM_CACHE:-$HOME/.cache/cohortfarm}"
venv="$cache/venv-bench-$(sha256sum bench/requirements.txt | cut -c1-12)"
if [ ! -e "$venv/complete" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --requirement bench/requirements.txt
  touch "$venv/complete"
fi
midsize="$cache/bench-midsize"
if [ ! -e "$midsize/complete" ]; then
  rm -rf "$midsize"
  "$venv/bin/python" bench/python/make_model.py midsize "$midsize/diffusers" models/phantom/tokenizer
  "$venv/bin/optimum-cli" export onnx --model "$midsize/diffusers" --task text-to-image "$midsize/onnx"
  touch "$midsize/complete"
fi
optimised="$cache/bench-optimised-$(cat exporter/cohortfarm_exporter/*.py models/phantom/unet/model.onnx | sha256sum | cut -c1-12)"
[ -e "$optimised" ] || node cli/main.ts model optimize models/phantom --output "$optimised" --for cpu
[ -n "${1-}" ] || node bench/operator/main.ts
exec node bench/main.ts --python "$venv/bin/python" --midsize "$midsize" --optimised "$optimised" "$@"
