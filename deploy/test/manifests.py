"""Holds the manifests to the schemas of Kubernetes, and their pods to what its `restricted` policy asks.

    manifests.py FILE...        exit 0: all as promised
"""

import sys

import kubernetes_validate
import yaml

# Newest schemas that the sidecar needs (`restartPolicy` of an init container) and that are old enough to be met.
KUBERNETES = "1.32"
# A savepoint may wait for a slow sink.
GRACE_SECONDS_MIN = 120
VOLUMES_ALLOWED = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def restricted(pod):
    """What of the policy `restricted` a pod does not keep (Pod Security Standards)."""
    for shared in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(shared):
            yield f"{shared} is set"
    for volume in pod.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES_ALLOWED:
            yield f"volume {volume['name']} is of a kind that is not allowed"
    of_pod = pod.get("securityContext", {})
    for container in pod.get("initContainers", []) + pod["containers"]:
        own = container.get("securityContext", {})
        who = f"container {container['name']}"
        if own.get("privileged"):
            yield f"{who} is privileged"
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"{who} may gain privileges"
        if own.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"{who} keeps capabilities"
        if set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
            yield f"{who} adds capabilities"
        if own.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True:
            yield f"{who} may be root"
        if own.get("runAsUser", of_pod.get("runAsUser")) == 0:
            yield f"{who} is root"
        if own.get("seccompProfile", of_pod.get("seccompProfile", {})).get("type") not in ("RuntimeDefault", "Localhost"):
            yield f"{who} has no seccomp profile"
        if any("hostPort" in port for port in container.get("ports", [])):
            yield f"{who} takes a port of the host"
        # Ours, beyond the policy.
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{who} may write to its image"


def whole(spec):
    """What a stateful set names and does not have, or lacks."""
    pod = spec["template"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    if not spec["selector"]["matchLabels"].items() <= labels.items():
        yield "the selector does not select its pods"
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    volumes |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
    containers = pod.get("initContainers", []) + pod["containers"]
    for container in containers:
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"container {container['name']} mounts {mount['name']}, which is not there"
    if pod.get("terminationGracePeriodSeconds", 30) < GRACE_SECONDS_MIN:
        yield "the grace period does not cover a savepoint"
    if pod.get("automountServiceAccountToken") is not False:
        yield "the pod gets a token of the API server, which it does not need"
    ours = [container for container in containers if container["image"].startswith("seachange:")]
    for container in ours:
        for probe in ("startupProbe", "livenessProbe"):
            if probe not in container:
                yield f"container {container['name']} has no {probe}"


def main(files):
    faults = []
    for file in files:
        with open(file, encoding="utf-8") as text:
            for resource in yaml.safe_load_all(text):
                name = f"{file}: {resource['kind']} {resource['metadata']['name']}"
                try:
                    kubernetes_validate.validate(resource, KUBERNETES, strict=True)
                except kubernetes_validate.ValidationError as error:
                    faults.append(f"{name}: {'.'.join(map(str, error.path))}: {error.message}")
                    continue
                if resource["kind"] == "StatefulSet":
                    spec = resource["spec"]
                    faults += [f"{name}: {why}" for why in (*restricted(spec["template"]["spec"]), *whole(spec))]
                print(name)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


sys.exit(main(sys.argv[1:]))
