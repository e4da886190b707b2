#!/usr/bin/env bash
# Resolve pyproject.toml anew in a throw-away environment and write requirements.lock.
# Local version labels (torch's "+cpu") are dropped: the same lock then takes a CPU or a CUDA build, whichever the
# installer is pointed at. `torch==2.13.0` must stay exact, and no nvidia-* package may appear.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
python3 -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$environment/bin/pip" install --quiet --disable-pip-version-check --editable '.[dev]' 'setuptools>=77,<81'
{
  sed -n '/^#/p' requirements.lock
  "$environment/bin/pip" freeze --all --exclude-editable | grep -vE '^(pip|wheel)==' | sed 's/+cpu//'
  # What only other Pythons than this one need is kept as it is; tests/test_lock.py says when a line is missing.
  sed -n '/^[^#].*;/p' requirements.lock
} > requirements.lock.new
if grep -qiE '^(nvidia|triton)' requirements.lock.new; then
  echo "error: the resolver took a CUDA build of torch: install the CPU wheel first" >&2
  exit 1
fi
mv requirements.lock.new requirements.lock
