"""Every metric that the rules and the dashboard use is one that docs/metrics.md describes."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = re.compile(r"\bseachange_[a-z0-9_]+\b")
# What Prometheus makes of one histogram.
PARTS = ("_bucket", "_sum", "_count")
USERS = ("deploy/prometheus/alerts.yaml", "deploy/test/alerts.yaml", "deploy/grafana/seachange.json")

documented = set(NAME.findall((ROOT / "docs/metrics.md").read_text(encoding="utf-8")))


def is_documented(name):
    whole = next((name.removesuffix(part) for part in PARTS if name.endswith(part)), name)
    return name in documented or whole in documented


unknown = [
    f"{file}: {name} is not in docs/metrics.md"
    for file in USERS
    for name in sorted(set(NAME.findall((ROOT / file).read_text(encoding="utf-8"))))
    if not is_documented(name)
]
if not documented:
    unknown.append("docs/metrics.md describes no metric")
print("\n".join(unknown), file=sys.stderr)
sys.exit(1 if unknown else 0)
