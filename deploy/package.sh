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

# The commented configuration, with the places that the unit knows.
places=(
  's|^#url = .*|url = "rocksdb:///var/lib/seachange/state"|'
  's|^#dir = .*|dir = "/var/lib/seachange/daemon"|'
  's|^#work_dir = .*|work_dir = "/var/lib/seachange/work"|'
  's|^#tokens = .*|tokens = "/etc/seachange/tokens.toml"|'
  's|^#key = .*|key = "credential:seal.key"|'
)
cp deploy/seachange.toml "$made/seachange.toml"
for place in "${places[@]}"; do
  sed -i "$place" "$made/seachange.toml"
done
[ "$(grep -c '^[a-z]' "$made/seachange.toml")" = ${#places[@]} ] || { echo "package: deploy/seachange.toml is not as this script knows it" >&2; exit 1; }

mkdir -p "$to"
cargo deb --quiet -p engine --no-build --profile "$profile" ${VERSION:+--deb-version "$VERSION"} --output "$to"
