#!/usr/bin/env bash
# Build the image where no container engine runs: with buildah in a chroot, as root on Debian (apt-get install buildah debootstrap).
#   infra/docker/build.sh [NAME:TAG]        (default dwell:0.1.0)
# BASE_IMAGE names the base; without one, debootstrap makes a Debian with Python. TORCH and TORCH_LINKS are those of the
# Dockerfile. STORAGE keeps images and base (default: a folder below .dwell).
set -euo pipefail
cd "$(dirname "$0")/../.."
name=${1:-dwell:0.1.0}
storage=${STORAGE:-$PWD/.dwell/images}
for command in buildah debootstrap; do
  command -v "$command" >/dev/null || { echo "error: $command is missing: apt-get install buildah debootstrap" >&2; exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "error: debootstrap and a chroot need root" >&2; exit 1; }
mkdir -p "$storage"
buildah() { command buildah --root "$storage/root" --runroot "$storage/run" --storage-driver vfs "$@"; }
started=$SECONDS

if [ -z "${BASE_IMAGE:-}" ]; then
  BASE_IMAGE=localhost/debian-python:bookworm
  if ! buildah inspect --type image "$BASE_IMAGE" >/dev/null 2>&1; then
    [ -e "$storage/base/.made" ] || {
      rm -rf "$storage/base"
      debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$storage/base" >/dev/null
      touch "$storage/base/.made"
    }
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$storage/base" / >/dev/null
    buildah commit --quiet "$container" "$BASE_IMAGE" >/dev/null
    buildah rm "$container" >/dev/null
    echo "base made in $((SECONDS - started)) s"
  fi
fi

# Certificates of this machine: where a proxy stands between it and the index, the base does not know them.
options=(--volume /etc/ssl/certs:/etc/ssl/certs:ro)
if [ -n "${TORCH_LINKS:-}" ]; then
  options+=(--build-arg "TORCH_LINKS=$TORCH_LINKS")
  [ ! -d "$TORCH_LINKS" ] || options+=(--volume "$TORCH_LINKS:$TORCH_LINKS:ro")
fi
buildah bud --isolation chroot --build-arg "BASE_IMAGE=$BASE_IMAGE" --build-arg "TORCH=${TORCH:-cpu}" "${options[@]}" \
  --file infra/docker/Dockerfile --tag "$name" .
echo "$name built in $((SECONDS - started)) s"
