"""What is checked before a commit, and how? ``nox`` alone: lint, imports, typing, and the unit tests on this Python."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.reuse_venv = "yes"
nox.options.default_venv_backend = "virtualenv"
# One machine rarely has every Python. A missing one is named in the log and in the summary; without any we stop below.
nox.options.error_on_missing_interpreters = False

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
CURRENT = f"{sys.version_info.major}.{sys.version_info.minor}"
TOP_LEVEL = {"emailproxy", "emailproxy_backends"}
UNIT = (
    *("--ignore=tests/browser", "--ignore=tests/deploy", "--ignore=tests/e2e", "--ignore=tests/stores"),
    *("--ignore=tests/terraform", "-n", "auto"),
)
"""Unit tests are all but these, which need servers, emulators or SDKs."""
WAITING = ("-n", "4")
"""Tests with real servers and clients wait more than they work, whatever the number of cores."""
MINISTACK = "ministack==1.5.33"
"""An emulator of AWS that enforces IAM policies; it pins a botocore, so it gets an environment of its own."""
AZURITE = "azurite@3.35.0"
"""Microsoft's emulator of Blob Storage, for the leases of the Key Vault store."""
TOOLS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emailproxy-tools"
"""What takes minutes to build and no test changes, kept outside of the repository and of nox's environments."""
HELM = "helm.sh/helm/v3/cmd/helm@v3.19.2"
KUBECONFORM = "github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0"
PROMETHEUS_MODELS = "@kubernetes-models/prometheus-operator@6.0.0"
"""The schema of a ServiceMonitor, which Kubernetes itself does not have."""
DEBIAN = ("bookworm", "python3-venv,ca-certificates,systemd-sysv,dbus,libnss-systemd,cloud-init")
"""The machine that tests/deploy boots: what the images of the clouds bring, and no more."""
CHECKOV = "checkov==3.2.494"
"""Looks for insecure settings in terraform/."""
CLASSIC = "emailproxy==2026.7.3"
"""The classic proxy, for opening a file of ours with it; not a dependency of anything."""


def _enable_pyenv() -> None:
    """Let pyenv's shims run every version that it has installed, not only the one it would choose here."""
    if shutil.which("pyenv") is None or "PYENV_VERSION" in os.environ:
        return
    listed = subprocess.run(
        ["pyenv", "versions", "--bare", "--skip-aliases"], capture_output=True, text=True, check=False
    )
    wanted = [name for name in listed.stdout.split() if name.rpartition(".")[0] in PYTHONS]
    if wanted:
        wanted.sort(key=lambda name: not name.startswith(CURRENT + "."))
        os.environ["PYENV_VERSION"] = ":".join([*wanted, "system"])


def _runs(version: str) -> bool:
    command = shutil.which(f"python{version}")
    return command is not None and subprocess.run([command, "-c", ""], capture_output=True, check=False).returncode == 0


_enable_pyenv()
FOUND = [version for version in PYTHONS if version == CURRENT or _runs(version)]
if not FOUND:
    sys.exit(f"noxfile: none of Python {', '.join(PYTHONS)} is installed")
nox.options.sessions = ["lint", "imports", "typing", f"tests-{CURRENT if CURRENT in FOUND else FOUND[-1]}"]


def groups(*names: str) -> list[str]:
    """The requirements of these dependency groups of pyproject.toml."""
    return list(nox.project.dependency_groups(PYPROJECT, *names))


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and formatting."""
    session.install(*groups("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def imports(session: nox.Session) -> None:
    """import-linter: imports point one way, and the wire knows no runtime."""
    session.install("-e", ".[console]", *groups("imports"))
    session.run("lint-imports")


@nox.session
def typing(session: nox.Session) -> None:
    """Mypy, strict: the packages, and everything that tests and measures them."""
    session.install("-e", ".[console]", *groups("typing"))
    session.run("mypy")
    session.run("mypy", "noxfile.py", "tests", "benchmarks")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The unit tests, on every Python of the classifiers that is installed."""
    if missing := [version for version in PYTHONS if version not in FOUND]:
        session.warn(f"NOT TESTED for want of an interpreter: Python {', '.join(missing)}")
    session.install("-e", ".[console,demo,otel]", *groups("tests"))
    session.run("pytest", *UNIT, *session.posargs)


@nox.session(reuse_venv=False)
def package(session: nox.Session) -> None:
    """Build the source distribution and from it the wheel; test the wheel where the source tree cannot be seen."""
    session.install(*groups("package"))
    room = Path(session.create_tmp()).resolve()
    shutil.rmtree(room)
    room.mkdir()
    session.run("python", "-m", "build", "--outdir", str(room / "dist"), str(ROOT))
    [wheel] = (room / "dist").glob("*.whl")

    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    names = {name for name in names if not name.endswith((".dist-info", ".data"))}
    if names != TOP_LEVEL:
        session.error(f"the wheel's top-level names are {sorted(names)}, not {sorted(TOP_LEVEL)}")

    session.run("python", "-m", "virtualenv", "--quiet", str(room / "clean"))
    python = str(room / "clean" / "bin" / "python")
    session.run(
        python, "-m", "pip", "install", "--quiet", f"{wheel}[console,demo,otel]", *groups("tests"), external=True
    )
    # The tests come from the source distribution too: it must hold everything they read, and nothing of ours to import.
    [sdist] = (room / "dist").glob("*.tar.gz")
    session.run("tar", "-xzf", str(sdist), "-C", str(room), external=True)
    source = room / sdist.name.removesuffix(".tar.gz")
    shutil.rmtree(source / "emailproxy")
    shutil.rmtree(source / "backends")
    with session.chdir(source):
        session.run(python, "-I", "-W", "error", "-c", _LOAD_ENTRY_POINTS, str(room / "clean"), external=True)
        session.run(str(room / "clean" / "bin" / "emailproxy"), "--version", external=True)
        # nox points it below .nox, and a Unix socket's path has 107 octets.
        environment = {"TMPDIR": None}
        session.run(python, "-m", "pytest", "-q", *UNIT, *session.posargs, env=environment, external=True)


_LOAD_ENTRY_POINTS = """
import importlib.metadata, pathlib, sys
distribution = importlib.metadata.distribution("emailproxy-cloud")
points = list(distribution.entry_points)
assert {"console_scripts", "emailproxy.stores", "emailproxy.secrets"} <= {point.group for point in points}, points
for point in points:
    assert callable(point.load()), point
import emailproxy, emailproxy_backends
for module in (emailproxy, emailproxy_backends):
    assert pathlib.Path(sys.argv[1]) in pathlib.Path(module.__file__).parents, module.__file__
    assert "site-packages" in module.__file__
assert pathlib.Path(emailproxy.__file__).with_name("py.typed").exists()
print(f"{len(points)} entry points load from {pathlib.Path(emailproxy.__file__).parent}")
"""


@nox.session
def e2e(session: nox.Session) -> None:
    """Real clients and real servers; what is not installed skips a test, and fails it when CI=true."""
    session.install("-e", ".[console,demo,otel]", *groups("tests"))
    classic = Path(session.virtualenv.location).resolve() / "classic"
    if not (classic / "bin" / "emailproxy").exists():
        session.run("python", "-m", "venv", str(classic))
        session.run(str(classic / "bin" / "pip"), "install", "--quiet", CLASSIC, external=True)
    environment = {"EMAILPROXY_CLASSIC": str(classic / "bin" / "emailproxy")}
    session.run("pytest", "tests/e2e", *WAITING, *session.posargs, env=environment)


@nox.session
def browser(session: nox.Session) -> None:
    """The console page in headless Chromium; EMAILPROXY_PICTURES=1 makes the documentation's pictures anew."""
    session.install("-e", ".[demo,console]", *groups("browser"))
    session.run("pytest", "tests/browser", *session.posargs)


@nox.session(name="bench-smoke")
def bench_smoke(session: nox.Session) -> None:
    """Each benchmark, small, beside stunnel: does it complete, and are its ratios sane by a wide margin?"""
    session.install("-e", ".[demo]", *groups("tests"))
    rows = ["--only", "emailproxy"]
    if os.environ.get("CI") == "true" or shutil.which("stunnel4") or shutil.which("stunnel"):
        rows += ["--only", "stunnel"]
    else:
        session.warn("NOT COMPARED for want of stunnel (Debian package stunnel4): only our own figures are looked at")
    results = Path(session.create_tmp()).resolve() / "results"
    session.run("python", "-m", "benchmarks", "all", "--smoke", *rows, "--output", str(results), *session.posargs)


@nox.session
def stores(session: nox.Session) -> None:
    """The stores in secret managers, with the real SDKs; what is not installed skips, and fails when CI=true."""
    session.install("-e", ".[demo,aws,azure,gcp]", *groups("tests", "stores"))
    emulators = _emulators(session)
    simulation = "tests/stores/test_simulation.py"
    session.run("pytest", "tests/stores", f"--ignore={simulation}", *WAITING, *session.posargs, env=emulators)
    # Replicas that race each other by the clock, and are killed by it: with nothing beside them.
    session.run("pytest", simulation, *session.posargs, env=emulators)


def _emulators(session: nox.Session) -> dict[str, str]:
    """Install the emulators that cannot share the session's environment; the variables that tell the tests where."""
    place = Path(session.virtualenv.location).resolve()
    ministack = place / "ministack" / "bin" / "ministack"
    if not ministack.exists():
        session.run("python", "-m", "venv", str(ministack.parent.parent))
        session.run(str(ministack.with_name("pip")), "install", "--quiet", MINISTACK, external=True)
    found = {"EMAILPROXY_MINISTACK": str(ministack)}
    azurite = place / "azurite" / "node_modules" / ".bin" / "azurite-blob"
    # Without Node.js its tests skip, and fail when CI=true, like everything that is not installed.
    if not azurite.exists() and shutil.which("npm") is not None:
        session.run("npm", "install", "--silent", "--prefix", str(place / "azurite"), AZURITE, external=True)
    if azurite.exists():
        found["EMAILPROXY_AZURITE"] = str(azurite)
    return found


@nox.session
def infra(session: nox.Session) -> None:
    """What stands in infra/: a machine booted with our user data, units, chart, container; missing tools as in e2e."""
    session.install("-e", ".[demo,azure,aws,gcp,console]", *groups("tests", "infra"))
    wheels = Path(session.create_tmp()).resolve() / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    # A machine without a network installs from there; hatchling is what the container builds the wheel with.
    session.run("pip", "wheel", "--quiet", "--wheel-dir", str(wheels), f"{ROOT}[azure,console]", "hatchling>=1.27")
    tools = {
        "EMAILPROXY_WHEELS": wheels,
        "EMAILPROXY_HELM": _go_program(session, HELM),
        "EMAILPROXY_KUBECONFORM": _go_program(session, KUBECONFORM),
        "EMAILPROXY_PROMETHEUS_MODELS": _node_package(session, PROMETHEUS_MODELS),
        "EMAILPROXY_DEBIAN": _debian(session),
        "EMAILPROXY_TOFU": _tofu(session),
    }
    environment = {name: str(path) for name, path in tools.items() if path is not None}
    # The machine and the container each have a file, and wait as much as they work.
    session.run("pytest", "tests/deploy", "-n", "2", "--dist", "loadfile", *session.posargs, env=environment)


def _go_program(session: nox.Session, module: str) -> Path | None:
    """Build a Go program of this version, once."""
    path, _, version = module.partition("@")
    program = TOOLS / f"{path.rpartition('/')[2]}-{version}" / path.rpartition("/")[2]
    if not program.exists():
        if shutil.which("go") is None:
            session.warn(f"go is not installed, so {module} cannot be built")
            return None
        session.run("nice", "go", "install", module, env={"GOBIN": str(program.parent)}, external=True)
    return program


def _tofu(session: nox.Session) -> Path | None:
    """OpenTofu, as the session terraform builds it."""
    if shutil.which("go") is None:
        session.warn("go is not installed, so OpenTofu cannot be built")
        return None
    said = session.run("python", "-m", "tests.terraform.opentofu", silent=True)
    return Path(str(said).strip().splitlines()[-1])


def _node_package(session: nox.Session, package: str) -> Path | None:
    """Install a package of this version, once; its node_modules."""
    modules = TOOLS / package.strip("@").replace("/", "-") / "node_modules"
    if not modules.exists():
        if shutil.which("npm") is None:
            session.warn(f"npm is not installed, so {package} cannot be had")
            return None
        session.run("npm", "install", "--silent", "--prefix", str(modules.parent), package, external=True)
    return modules


def _debian(session: nox.Session) -> Path | None:
    """Lay out a clean Debian, once."""
    suite, packages = DEBIAN
    root = TOOLS / f"debian-{suite}-{hashlib.sha256(packages.encode()).hexdigest()[:8]}"
    if not root.exists():
        if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
            session.warn("no clean Debian: that takes mmdebstrap, and root")
            return None
        draft = root.with_name(root.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.parent.mkdir(parents=True, exist_ok=True)
        session.run(
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            f"--include={packages}",
            '--aptopt=Acquire::Languages "none"',
            *(f"--dpkgopt=path-exclude=/usr/share/{place}/*" for place in ("doc", "man", "locale")),
            "--dpkgopt=force-unsafe-io",
            suite,
            str(draft),
            external=True,
        )
        draft.rename(root)
    return root


@nox.session
def terraform(session: nox.Session) -> None:
    """terraform/ against the providers' schemas, by OpenTofu and checkov; what is not there skips, and fails in CI."""
    session.install("-e", ".[demo]", *groups("tests", "terraform"))
    if shutil.which("go") is None:
        session.warn("NOT BUILT for want of Go: OpenTofu")
    else:
        # Kept between runs, outside of this folder: building it takes some minutes.
        session.run("python", "-m", "tests.terraform.opentofu")
    if shutil.which("npm") is None:
        session.warn("NOT COMPARED for want of npm: the schemas of the providers with the packages that they are from")
        if os.environ.get("CI") == "true":
            session.error("npm is needed")
    else:
        session.run("python", "-m", "tests.terraform.schemas", "--check")
    # It pins a hundred packages, so it gets an environment of its own.
    checkov = Path(session.virtualenv.location).resolve() / "checkov" / "bin" / "checkov"
    if not checkov.exists():
        session.run("python", "-m", "venv", str(checkov.parent.parent))
        session.run(str(checkov.with_name("pip")), "install", "--quiet", CHECKOV, external=True)
    session.run("pytest", "tests/terraform", "-n", "auto", *session.posargs, env={"EMAILPROXY_CHECKOV": str(checkov)})
