#!/usr/bin/env bash
# Look the locked packages over. CI runs the part that needs no network: what is installed fits together, and tests/test_lock.py
# holds it against the lock and its hashes. `infra/audit.sh online` also asks for known vulnerabilities, with pip-audit from
# PyPI in a throw-away environment, and fails where a package cannot be looked up; an advisory that was looked at and does not concern dwell stands in infra/advisories.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python -m pip check
if [ "${1:-}" = online ]; then
  environment=$(mktemp -d)
  trap 'rm -rf "$environment"' EXIT
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check pip-audit
  ignored=()
  while read -r advisory _; do
    ignored+=(--ignore-vuln "$advisory")
  done < <(grep -v '^#' infra/advisories.txt)
  "$environment/bin/pip-audit" --strict --disable-pip --require-hashes --requirement requirements.lock "${ignored[@]}"
fi
