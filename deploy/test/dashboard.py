"""The dashboard is what Grafana reads: panels with an id, a place and a title each, and queries that Prometheus
understands. promtool judges those, as rules that record them."""

import json
import pathlib
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What Grafana puts in the place of its variables.
VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$job": ".*", "$instance": ".*"}

dashboard = json.loads((ROOT / "deploy/grafana/seachange.json").read_text(encoding="utf-8"))
faults = []
panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
ids = [panel["id"] for panel in dashboard["panels"]]
if len(ids) != len(set(ids)):
    faults.append("two panels have one id")
places = [tuple(panel["gridPos"][side] for side in "xywh") for panel in dashboard["panels"]]
for index, (x, y, w, h) in enumerate(places):
    if x + w > 24:
        faults.append(f"panel {ids[index]} is wider than the page")
    for other, (ox, oy, ow, oh) in enumerate(places[:index]):
        if x < ox + ow and ox < x + w and y < oy + oh and oy < y + h:
            faults.append(f"panels {ids[index]} and {ids[other]} lie on one another")

rules = []
for panel in panels:
    if not panel.get("title") or not panel.get("description"):
        faults.append(f"panel {panel['id']} lacks its title or its description")
    if not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
        faults.append(f"panel {panel['id']} has no unit")
    for target in panel["targets"]:
        query = target["expr"]
        for variable, value in VARIABLES.items():
            query = query.replace(variable, value)
        rules.append({"record": f"panel:{panel['id']}:{target['refId'].lower()}", "expr": query})

with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
    yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
    file.flush()
    said = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True, check=False)
    if said.returncode != 0:
        faults.append(said.stderr)

print("\n".join(faults), file=sys.stderr)
sys.exit(1 if faults else 0)
