#!/usr/bin/env bash
# The pictures of docs/images: each page of the operations centre, filled by the stand-in daemon.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/run.sh" shots
