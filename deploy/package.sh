#!/usr/bin/env bash
# Makes the Debian package, with cargo-deb (`cargo install cargo-deb` where it is missing).
#   deploy/package.sh [DIR]        the package of this version, in DIR (target/debian)
# PROFILE=dev packs the binary of the tests (release by default); VERSION=9.9.9 gives the package another version;
# BUILT=1 takes the binary that is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/build-env.sh

to=$(realpath -m "${1:-target/debian}")
profile=${PROFILE:-release}
tools=$PWD/target/tools
target=${CARGO_TARGET_DIR:-target}
export PATH=$tools/bin:$PATH

if ! command -v cargo-deb >/dev/null; then
  echo "package: building cargo-deb, once" >&2
  CARGO_TARGET_DIR=$tools/build cargo install --quiet --locked --root "$tools" --version '^3' cargo-deb
  rm -rf "$tools/build"
fi
[ -n "${BUILT:-}" ] || cargo build --profile "$profile" --locked -p engine
bin=$target/$([ "$profile" = dev ] && echo debug || echo "$profile")/seachange

made=target/package
rm -rf "$made" && mkdir -p "$made/man" "$made/completions"
"$bin" man "$made/man"
"$bin" completions bash >"$made/completions/seachange.bash"
"$bin" completions zsh >"$made/completions/_seachange"
"$bin" completions fish >"$made/completions/seachange.fish"

mkdir -p "$to"
cargo deb --quiet -p engine --no-build --profile "$profile" ${VERSION:+--deb-version "$VERSION"} --output "$to"
