#!/usr/bin/env bash
# Everything: types, lint, unused code, unit tests, then what needs servers, Python and the embedded model.
# What a test needs it installs itself: Go tools into a cache, Python packages into virtual environments there.
set -euo pipefail
cd "$(dirname "$0")/.."

# Builds run beside the first tests, on idle cores, in a process group of their own. They end with this process.
set -m
nice -n 19 node testbed/prepare.ts &
set +m

npm run --silent check:types
npm run --silent check:lint
npm run --silent check:unused
# bench and models hold no tests; one runner prints one summary.
exec node --test --test-reporter=spec '{contract,platform,kube,diffusion,dataset,worker,operator,cli}/**/*.test.ts' 'testbed/**/*.test.ts' 'test/**/*.test.ts'
