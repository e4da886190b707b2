#!/bin/sh
# Lay the image's code and stage graph into the workspace, then run the command. The configuration (params.yaml, .dvc/config)
# is laid only where there is none: it is the operator's. One process does it at a time, and only once for each image.
set -eu
cd "$DWELL_HOME"
mkdir -p .dwell
(
  flock 9
  if ! cmp -s "$DWELL_IMAGE.code" .dwell/image.code; then
    rm -rf flows tasks models
    for name in flows tasks models pyproject.toml README.md LICENSE dwell.py dvc.yaml prefect.yaml .dvcignore .gitignore; do
      cp -R "$DWELL_IMAGE/$name" "$name"
    done
    mkdir -p .dvc
    for name in params.yaml .dvc/config; do
      [ -e "$name" ] || cp "$DWELL_IMAGE/$name" "$name"
    done
    [ -e .git ] || git init --quiet
    cp "$DWELL_IMAGE.code" .dwell/image.code
  fi
) 9> .dwell/image.lock
exec "$@"
