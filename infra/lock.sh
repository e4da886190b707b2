#!/usr/bin/env bash
# Resolve pyproject.toml anew in a throw-away environment and write requirements.lock, with the hashes of every published file,
# requirements.cpu.lock, with that of torch's CPU build, and requirements.cuda.lock, with what its CUDA build needs beside it.
# Local version labels (torch's "+cpu") are dropped: the same lock then takes a CPU or a CUDA build, whichever the
# installer is pointed at. `torch==2.13.0` must stay exact, and no nvidia-* package may appear.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
pip() { "$environment/bin/pip" "$@" --quiet --disable-pip-version-check; }
python3 -m venv "$environment"
pip install torch==2.13.0
pip install --editable '.[dev]' 'setuptools>=77,<81'
{
  "$environment/bin/pip" freeze --all --exclude-editable | grep -vE '^(pip|wheel)==' | sed 's/+cpu//'
  # What only other Pythons than this one need is kept as it is; tests/test_lock.py says when a line is missing.
  sed -n 's/^\([^#].*;.*\) \\$/\1/p' requirements.lock
} > "$environment/resolved.txt"
if grep -qiE '^(nvidia|triton)' "$environment/resolved.txt"; then
  echo "error: the resolver took a CUDA build of torch: install the CPU wheel first" >&2
  exit 1
fi
pip install uv
"$environment/bin/uv" pip compile --quiet --no-deps --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
  "$environment/resolved.txt" --output-file "$environment/hashed.txt"
{
  sed -n '/^#/p' requirements.lock
  cat "$environment/hashed.txt"
} > requirements.lock.new
mv requirements.lock.new requirements.lock

# The file that torch was installed from here: PyPI does not publish its CPU build.
pip download --no-deps --dest "$environment/torch" torch==2.13.0
wheel=$(echo "$environment"/torch/torch-*.whl)
version=$(basename "$wheel" | cut -d- -f2)
{
  sed -n '/^#/p' requirements.cpu.lock
  printf 'torch==%s \\\n    --hash=sha256:%s\n' "$version" "$(sha256sum "$wheel" | cut -d' ' -f1)"
} > requirements.cpu.lock.new
mv requirements.cpu.lock.new requirements.cpu.lock

# Resolved, not installed: gigabytes. What requirements.lock names is left out, torch included.
echo "torch==2.13.0" > "$environment/cuda.in"
"$environment/bin/uv" pip compile --quiet --python-version 3.11 --python-platform x86_64-unknown-linux-gnu --generate-hashes \
  --no-annotate --no-header "$environment/cuda.in" --output-file "$environment/cuda.txt"
{
  sed -n '/^#/p' requirements.cuda.lock
  awk -F== 'NR == FNR { if (/^[a-z]/) locked[$1]; next } /^[a-z]/ { left_out = $1 in locked } !left_out' \
    requirements.lock "$environment/cuda.txt"
} > requirements.cuda.lock.new
mv requirements.cuda.lock.new requirements.cuda.lock
