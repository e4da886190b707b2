#!/usr/bin/env bash
# A server and a store: a worker runs a night, which is pushed to S3, and a second clone pulls it and knows the champion.
#
#     examples/shared_store.sh [PARAMETERS OF THE NIGHT]
#
# In a clone with a commit; parameters are those of the deployment, such as --param as_of=2026-01-16. The store is a server of
# moto, which goes when this ends, unless AWS_ENDPOINT_URL names one that has a bucket `nights`.
set -euo pipefail
scratch=$(mktemp -d)
mine=.dvc/config.local
[ ! -e "$mine" ] || cp "$mine" "$scratch/mine"
restore() { # what ran here ends, and the remote that it set up goes
  kill $(jobs -p) 2>/dev/null || true
  wait || true
  if [ -e "$scratch/mine" ]; then cp "$scratch/mine" "$mine"; else rm -f "$mine"; fi
  rm -rf "$scratch"
}
trap restore EXIT

# A Prefect server and a worker: `make serve` in a shell of its own.
export PREFECT_API_URL=http://127.0.0.1:${PORT:-4200}/api
dwell serve --port "${PORT:-4200}" &
dwell deploy
dwell prefect deployment run 'nightly/nightly' --watch "$@"

# A store that speaks S3, and a bucket.
if [ -z "${AWS_ENDPOINT_URL:-}" ]; then
  export AWS_ENDPOINT_URL=http://127.0.0.1:${S3_PORT:-5005} AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret
  python -m moto.server -H 127.0.0.1 -p "${S3_PORT:-5005}" &
  python - <<'PYTHON'
import boto3
from botocore.config import Config

patient = Config(retries={"max_attempts": 10, "mode": "standard"})
boto3.client("s3", config=patient).create_bucket(Bucket="nights")
PYTHON
fi
dvc remote add --local --force --default store s3://nights/dwell
dwell push

# Another clone: git brings the code and, once they are committed, what names the night; here they are copied.
git clone --quiet . "$scratch/other"
cp dvc.lock run.yaml params.yaml "$scratch/other"
cp .dvc/config.local "$scratch/other/.dvc"
cd "$scratch/other"
dwell pull
dwell status
