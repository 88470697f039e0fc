"""Does the chart make what a cluster takes and the proxy reads, for every values file, and does it refuse mistakes?"""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from emailproxy.config import load
from tests.deploy.conftest import cannot, tool
from tests.deploy.kubernetes import VERSION, lay_out_schemas, refusals

INFRA = Path(__file__).parents[2] / "infra"
CHART = INFRA / "helm" / "emailproxy"
VALUES = sorted((INFRA / "helm" / "values").glob("*.yaml"))
NAMES = [path.stem for path in VALUES]
PATCHES = """\
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
let text = "";
for await (const part of process.stdin) text += part;
new ServiceMonitor(JSON.parse(text)).validate();
"""


def helm(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(tool("EMAILPROXY_HELM")), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def rendered(values: Path, *settings: str) -> str:
    sets = [word for setting in settings for word in ("--set", setting)]
    return helm("template", "mail", str(CHART), "--values", str(values), f"--kube-version={VERSION}", *sets).stdout


def objects(manifests: str, kind: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(manifests) if each and each["kind"] == kind]


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    lay_out_schemas(folder)
    return folder


@pytest.mark.parametrize("values", VALUES, ids=NAMES)
def test_lint(values: Path) -> None:
    helm("lint", "--strict", str(CHART), "--values", str(values), f"--kube-version={VERSION}")


def test_a_cluster_takes_what_is_made(schemas: Path, tmp_path: Path) -> None:
    for values in VALUES:
        documents = [each for each in yaml.safe_load_all(rendered(values)) if each]
        # A resource of Prometheus's operator, not of Kubernetes: below.
        documents = [each for each in documents if each["kind"] != "ServiceMonitor"]
        assert {"ConfigMap", "Deployment", "Service", "NetworkPolicy"} <= {each["kind"] for each in documents}
        (tmp_path / values.name).write_text(yaml.safe_dump_all(documents))
    shutil.copy(INFRA / "kubernetes" / "native-sidecar.yaml", tmp_path)
    assert refusals(schemas, tmp_path) == []


def test_a_cluster_would_not_take_everything(schemas: Path, tmp_path: Path) -> None:
    text = (INFRA / "kubernetes" / "native-sidecar.yaml").read_text()
    (tmp_path / "sidecar.yaml").write_text(text.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem"))
    [refusal] = refusals(schemas, tmp_path)
    assert "readOnlyRootFileSystem" in refusal


def test_the_service_monitor() -> None:
    [monitor] = objects(rendered(INFRA / "helm" / "values" / "everything.yaml"), "ServiceMonitor")
    node = shutil.which("node")
    modules = tool("EMAILPROXY_PROMETHEUS_MODELS")
    if node is None:
        cannot("Node.js is not installed")
    script = modules.parent / "validate.mjs"
    script.write_text(PATCHES)
    command = [node, str(script)]
    subprocess.run(command, input=json.dumps(monitor), text=True, timeout=60, check=True)
    monitor["spec"]["endpoints"][0]["interval"] = "often"
    assert subprocess.run(command, input=json.dumps(monitor), text=True, timeout=60, check=False).returncode != 0


@pytest.mark.parametrize("values", VALUES, ids=NAMES)
def test_the_proxy_takes_its_configuration(values: Path, tmp_path: Path) -> None:
    [config] = objects(rendered(values), "ConfigMap")
    text: str = config["data"]["emailproxy.config"]
    certificate = tmp_path / "tls"
    certificate.mkdir()
    _make_certificate(certificate)
    text = text.replace("/etc/emailproxy/tls", str(certificate))
    # The service key is in a vault that this machine cannot reach.
    text = "\n".join(line for line in text.splitlines() if not line.startswith("seal_key"))
    path = tmp_path / "emailproxy.config"
    path.write_text(text)
    loaded = load(path)
    [deployment] = objects(rendered(values), "Deployment")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    ports = {port["containerPort"] for port in container["ports"] if port["name"] != "metrics"}
    assert {server.local_port for server in loaded.servers} == ports
    assert not [warning for warning in loaded.warnings if "unknown" in str(warning) or "no option" in str(warning)]


def _make_certificate(folder: Path) -> None:
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("mail.example.com")
    certificate.cert_chain_pems[0].write_to_path(str(folder / "tls.crt"))
    certificate.private_key_pem.write_to_path(str(folder / "tls.key"))


def test_the_pod_is_locked_down() -> None:
    [deployment] = objects(rendered(INFRA / "helm" / "values" / "azure.yaml"), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["terminationGracePeriodSeconds"] > 30


def test_no_replica_count_beside_an_autoscaler() -> None:
    manifests = rendered(INFRA / "helm" / "values" / "everything.yaml")
    [deployment] = objects(manifests, "Deployment")
    assert "replicas" not in deployment["spec"]
    [scaler] = objects(manifests, "HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]


def test_proxy_protocol_is_for_every_listener() -> None:
    [config] = objects(rendered(INFRA / "helm" / "values" / "aws.yaml"), "ConfigMap")
    parser = configparser.RawConfigParser()
    parser.read_string(config["data"]["emailproxy.config"])
    servers = [section for section in parser.sections() if "-" in section]
    assert servers == ["IMAP-1993", "SMTP-1587"]
    for server in servers:
        assert parser[server]["proxy_protocol"] == "True"
        assert parser[server]["proxy_protocol_from"] == "10.20.0.0/20, 10.20.16.0/20"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (("cacheStore=",), "cacheStore"),
        (("cacheStore=file:tokens",), "replicas share a secret manager"),
        (("replicas=0",), "/replicas"),
        (("listeners.imap.port=993",), "/listeners/imap/port"),
        (("listeners.imap.port=1587",), "1587 is taken by listeners.imap"),
        (("tls.secretName=",), "needs tls.secretName"),
        (("proxyProtocol.enabled=true",), "networks of the load balancer"),
        (("proxyProtocol.from={everywhere}",), "/proxyProtocol/from/0"),
        (("identity.azure.clientId=me",), "/identity/azure/clientId"),
        (("settings.metrics_listen=0.0.0.0:1",), "/settings"),
        (("accounts=[IMAP-1]",), "servers belong into listeners"),
        (("accounts=[emailproxy]",), "belong into settings"),
        (("replcas=2",), "replcas"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_are_refused(settings: Sequence[str], complaint: str) -> None:
    sets = [word for setting in settings for word in ("--set", setting)]
    values = str(INFRA / "helm" / "values" / "minimal.yaml")
    done = helm("template", "mail", str(CHART), "--values", values, f"--kube-version={VERSION}", *sets, check=False)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_an_older_cluster_is_refused() -> None:
    values = str(INFRA / "helm" / "values" / "minimal.yaml")
    done = helm("template", "mail", str(CHART), "--values", values, "--kube-version=1.29.0", check=False)
    assert "requires kubeVersion" in done.stderr


def test_the_sidecar_example(tmp_path: Path) -> None:
    text = (INFRA / "kubernetes" / "native-sidecar.yaml").read_text()
    [config] = objects(text, "ConfigMap")
    (tmp_path / "emailproxy.config").write_text(config["data"]["emailproxy.config"])
    assert [server.local_port for server in load(tmp_path / "emailproxy.config").servers] == [1587]


@pytest.mark.parametrize(("name", "reached"), [("minimal", True), ("gcp", True), ("azure", False), ("aws", False)])
def test_who_may_ask_for_the_identity_of_the_node(name: str, reached: bool) -> None:
    [policy] = objects(rendered(INFRA / "helm" / "values" / f"{name}.yaml"), "NetworkPolicy")
    blocks = [peer["ipBlock"]["cidr"] for rule in policy["spec"]["egress"] for peer in rule.get("to", ())]
    assert ("169.254.169.254/32" in blocks) is reached
