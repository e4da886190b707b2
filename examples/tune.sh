#!/usr/bin/env bash
# Hyper-parameters: search those of a recipe, then let a night judge what was found, which the search has not seen.
#
#     examples/tune.sh [RECIPE [TRIALS [SOURCE]]]
#
# A night of the source must have run here: its table is what is searched on.
set -euo pipefail
recipe=${1:-d2q}
trials=${2:-12}
if [ -n "${3:-}" ] && ! grep -q "^source: $3$" run.yaml; then
  echo "the night in this workspace is of another source: dwell nightly --source $3" >&2
  exit 1
fi

dwell tune "$recipe" --trials "$trials" --write    # on fit and validation days alone; run again, it goes on
if ! grep -q "^  ${recipe}_tuned:" params.yaml; then
  echo "no trial was better than $recipe as it is: there is nothing to judge"
  exit
fi
dwell nightly --recipes "$recipe,${recipe}_tuned" --no-publish ${3:+--source "$3"}    # on the judge day, and nothing is published
dwell compare "${recipe}_tuned" "$recipe" ${3:+--source "$3"}
