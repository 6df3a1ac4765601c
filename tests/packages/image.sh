#!/usr/bin/env bash
# The image of deploy/Dockerfile: built, and run as it is meant to be: not root, a read-only root, no capabilities.
# By buildah and podman, without a daemon of theirs and without a registry: the Debian below the second stage is
# unpacked by mmdebstrap, and the binary is the one of the tests instead of the first stage's.
#   tests/packages/image.sh      as root; BUILT=1 takes the binary that is there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/build-env.sh

say() { printf 'image: %s\n' "$*" >&2; }
fail() { say "FAILED: $*"; exit 1; }

work=$PWD/target/packages
if [ "${1:-}" != --inside ]; then
  [ "$(id -u)" = 0 ] || { say "namespaces and mounts need root"; exit 1; }
  for tool in mmdebstrap buildah podman crun ip; do
    command -v $tool >/dev/null || { say "$tool is missing (apt-get install mmdebstrap buildah podman crun iproute2)"; exit 1; }
  done
  [ -n "${BUILT:-}" ] || cargo build -p engine
  mkdir -p "$work/context/deploy/container"
  if [ ! -e "$work/slim.tar" ]; then
    say "unpacking a Debian"
    mmdebstrap --quiet --variant=minbase bookworm "$work/slim.new.tar"
    mv "$work/slim.new.tar" "$work/slim.tar"
  fi
  exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc "$0" --inside
fi

# podman asks for version 2 of cgroups, though it is to use none.
umount -R /sys/fs/cgroup && mount -t tmpfs cgroups /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup

store=(--root "$work/images" --runroot "$work/images.run" --storage-driver vfs)
base=$(mktemp -d "$work/run.XXXXXX")
trap 'podman "${store[@]}" rm -f --all >/dev/null; rm -rf "$base"' EXIT

if ! buildah "${store[@]}" inspect --type image docker.io/library/debian:bookworm-slim >/dev/null 2>&1; then
  container=$(buildah "${store[@]}" from scratch)
  buildah "${store[@]}" add -q "$container" "$work/slim.tar" / >/dev/null
  buildah "${store[@]}" commit -q "$container" docker.io/library/debian:bookworm-slim >/dev/null
  buildah "${store[@]}" rm "$container" >/dev/null
fi

say "built"
# The second stage, word for word, over a first one that has the binary.
context=$work/context
strip --strip-debug -o "$context/seachange" "${CARGO_TARGET_DIR:-target}/debug/seachange"
cp deploy/container/seachange.toml "$context/deploy/container/"
{
  printf 'FROM scratch AS build\nCOPY seachange /out/seachange\n\n'
  sed -n '/^FROM debian:bookworm-slim/,$p' deploy/Dockerfile
} >"$context/Dockerfile"
buildah "${store[@]}" bud --quiet --isolation chroot --pull-never --format docker -t seachange -f "$context/Dockerfile" "$context" >/dev/null
buildah "${store[@]}" images --format '{{.Name}} {{.Size}}' | grep seachange >&2

image() { podman "${store[@]}" image inspect seachange --format "$1"; }
[ "$(image '{{.User}}')" = 10001:10001 ] || fail "its user is $(image '{{.User}}')"
image '{{.Config.Healthcheck}}' | grep -q 'seachange health' || fail "it has no health check"

run=(podman "${store[@]}" --cgroup-manager cgroupfs run --cgroups=disabled --ulimit nofile=20000:20000 --ulimit nproc=4000:4000
  --network host --pull never --read-only --read-only-tmpfs=false --no-healthcheck --cap-drop ALL --security-opt no-new-privileges)
"${run[@]}" --rm seachange --version
"${run[@]}" --rm --entrypoint sh seachange -c '
  [ "$(id -u)" = 10001 ] && touch /var/lib/seachange/x && ! touch /etc/x 2>/dev/null && ! touch /tmp/x 2>/dev/null
  grep -q "^CapEff:.*0000000000000000" /proc/self/status' || fail "it is root, or may write where it should not"

say "the daemon in it"
printf '[server]\nlisten = "127.0.0.1:%s"\n[state]\nurl = "/var/lib/seachange/state"\ndir = "/var/lib/seachange/daemon"\nwork_dir = "/var/lib/seachange/work"\n' \
  "${PORT:=$((20000 + RANDOM % 12000))}" >"$base/seachange.toml"
chmod 0755 "$base"
"${run[@]}" -d --name daemon -e SEACHANGE_SERVER="http://127.0.0.1:$PORT" -v "$base/seachange.toml:/etc/seachange/seachange.toml:ro" \
  -v "seachange-image-test:/var/lib/seachange" seachange >/dev/null
ready() { podman "${store[@]}" exec daemon seachange health --ready >/dev/null 2>&1; }
for _ in $(seq 150); do
  ready && break
  sleep 0.2
done
ready || fail "it is not ready: $(podman "${store[@]}" logs daemon 2>&1 | tail -20)"
podman "${store[@]}" exec daemon seachange health
podman "${store[@]}" stop -t 60 daemon >/dev/null
[ "$(podman "${store[@]}" inspect daemon --format '{{.State.ExitCode}}')" = 0 ] || fail "it did not end with 0"
podman "${store[@]}" rm daemon >/dev/null
podman "${store[@]}" volume rm seachange-image-test >/dev/null
say "ok"
