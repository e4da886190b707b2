#!/bin/sh
# What an installation needs once, and after a change: the remote with its bucket, work pool and deployments. Harmless to repeat.
set -eu
if [ -n "${DWELL_REMOTE:-}" ]; then
  python - "$DWELL_REMOTE" <<'PYTHON'
import sys
from urllib.parse import urlsplit

from botocore.exceptions import ClientError
from botocore.session import get_session

bucket, store = urlsplit(sys.argv[1]).netloc, get_session().create_client("s3")
try:
    store.head_bucket(Bucket=bucket)
except ClientError as error:
    if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
        sys.exit(f"error: bucket {bucket!r}: {error}: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL")
    store.create_bucket(Bucket=bucket)
PYTHON
  dvc remote add --quiet --force --default store "$DWELL_REMOTE"
fi
exec dwell deploy
