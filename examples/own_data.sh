#!/usr/bin/env bash
# Own data: a log that dwell has never seen, from a proposal how to read it to a decision.
#
#     examples/own_data.sh [FILE OR FOLDER [NAME]]
#
# Without a file it is the log of another company, made here. NAME is what the source is called in params.yaml.
set -euo pipefail
log=${1:-datasets/clips.csv.gz}
name=${2:-clips}
if [ $# = 0 ] && [ ! -e "$log" ]; then
  python -m benchmarks.foreign_log "$log"
fi

dwell init "$log" --write "$name"    # reads some rows, says what they mean and what is missing, and adds that to params.yaml
dwell check --source "$name"         # every file once, and nothing is written
dwell nightly --source "$name"       # ends with the decision, its reason and the path of the report
