"""Would a cluster take these manifests? Each is held against the schemas of the Kubernetes API, strictly.

The schemas come with the package kubernetes-validate, since kubeconform's own are on the internet. They refer to each
other by addresses that nobody serves here, so they are copied with references to files.
"""

from __future__ import annotations

import json
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

from tests.deploy.conftest import cannot, tool

__all__ = ["VERSION", "lay_out_schemas", "refusals"]

VERSION = "1.34.0"
"""Of Kubernetes; the chart needs 1.30."""
KINDS = (
    "configmap-v1",
    "cronjob-batch-v1",
    "deployment-apps-v1",
    "horizontalpodautoscaler-autoscaling-v2",
    "networkpolicy-networking-v1",
    "pod-v1",
    "poddisruptionbudget-policy-v1",
    "service-v1",
    "serviceaccount-v1",
)


def lay_out_schemas(folder: Path) -> None:
    """Write the schemas of what we use into this folder."""
    try:
        source = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}-local-strict"
    except ModuleNotFoundError:
        cannot("kubernetes-validate is not installed: run nox -s infra")
    for name in ("_definitions", *KINDS):
        text = (source / f"{name}.json").read_text(encoding="utf-8")
        document = json.loads(text.replace("/api/_definitions.json", "_definitions.json"))
        document.pop("$id", None)
        (folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")


def refusals(schemas: Path, manifests: Path) -> list[str]:
    """What kubeconform has against any manifest in the files of the folder. What has no schema is refused as well."""
    done = subprocess.run(
        [
            str(tool("EMAILPROXY_KUBECONFORM")),
            "-strict",
            "-output=json",
            "-verbose",
            f"-schema-location={schemas}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json",
            str(manifests),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    resources: list[dict[str, Any]] = json.loads(done.stdout)["resources"]
    assert resources, done.stderr
    return [
        f"{one['filename']} {one['kind']} {one['name']}: {one['msg']}"
        for one in resources
        if one["status"] != "statusValid"
    ]
