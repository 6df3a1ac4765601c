#!/usr/bin/env bash
# Fetches the page's libraries from npm, in the versions named here, and writes engine/ui/vendor/. Run it to raise
# one: nothing else writes there. What it changes is said in vendor/README.md.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
to=$root/engine/ui/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pinned=(preact@11.2.0 htm@3.1.1 uplot@1.6.32 diff@9.0.0)
(cd "$work" && npm install --silent --no-fund --no-audit --no-save "${pinned[@]}")
from=$work/node_modules

rm -rf "$to"
mkdir -p "$to"
# A browser finds modules by their address alone, and the page has no import map: a strict policy refuses inline ones.
plain() { sed -e '/^\/\/# sourceMappingURL=/d' "$@"; }
plain "$from/preact/dist/preact.mjs" >"$to/preact.js"
plain -e 's#from"preact"#from"./preact.js"#' "$from/preact/hooks/dist/hooks.mjs" >"$to/preact-hooks.js"
plain "$from/htm/dist/htm.module.js" >"$to/htm.js"
{ plain "$from/uplot/dist/uPlot.iife.min.js"; echo 'export default uPlot;'; } >"$to/uplot.js"
cp "$from/uplot/dist/uPlot.min.css" "$to/uplot.css"
plain "$from/diff/libesm/diff/base.js" >"$to/diff-base.js"
plain -e "s#'./base.js'#'./diff-base.js'#" -e "s#'../util/params.js'#'./diff-params.js'#" \
  "$from/diff/libesm/diff/line.js" >"$to/diff-line.js"
plain "$from/diff/libesm/util/params.js" >"$to/diff-params.js"
for name in preact htm uplot diff; do cp "$from/$name/LICENSE" "$to/LICENSE-$name"; done

cat >"$to/README.md" <<'README'
# Libraries of the page

Written by `tests/page/vendor.sh`; do not edit. Each with its licence beside it.

| Files | Package | Licence | What was changed |
|---|---|---|---|
README
row() { echo "| $1 | $2 | $3 | $4 |" >>"$to/README.md"; }
row '`preact.js`, `preact-hooks.js`' "${pinned[0]}" MIT 'the import between them'
row '`htm.js`' "${pinned[1]}" Apache-2.0 'nothing'
row '`uplot.js`, `uplot.css`' "${pinned[2]}" MIT 'an export at its end'
row '`diff-*.js`' "${pinned[3]}" BSD-3-Clause 'the imports between them'
