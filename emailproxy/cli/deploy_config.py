"""How does ``terraform apply`` become a configuration? ``emailproxy deploy-config``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import click

from emailproxy.cli.common import Flags
from emailproxy.cli.exits import Exit, end
from emailproxy.config import Config, ConfigError
from emailproxy.deploying.outputs import MAX_OCTETS, Deployment, OutputsError, as_myself, read
from emailproxy.deploying.writing import checked, text, write

__all__ = ["deploy_config"]

# Nobody consents in these, so that a device needs an app password before its first login.
_WITHOUT_A_PERSON: Final = frozenset({"client_credentials", "service_account"})


@click.command("deploy-config")
@click.argument("outputs", type=click.File("rb"), default="-")
@click.option("--force", is_flag=True, help="Replace the configuration if it is there.")
@click.option(
    "--own-login",
    is_flag=True,
    help="For your own machine: reach Azure by your own login (az login), not by the proxy's managed identity.",
)
@click.pass_obj
def deploy_config(flags: Flags, outputs: BinaryIO, *, force: bool, own_login: bool) -> None:
    """Write the configuration for what Terraform made, and say what comes next.

    OUTPUTS is what `tofu output -json` or `terraform output -json` prints; without it, standard input. The
    configuration is checked before it is written; what stands in a secret manager is not looked up for that. A file
    that is there is left alone.

    Exit status 2 if the outputs or the configuration have faults.

    \b
    Examples:
      tofu output -json | emailproxy deploy-config
      emailproxy --config-file mine.config deploy-config --own-login < outputs.json
    """
    try:
        deployment = read(outputs.read(MAX_OCTETS + 1))
    except OutputsError as error:
        end(Exit.CONFIGURATION, *error.faults)
    if own_login:
        deployment = as_myself(deployment)
    try:
        config = checked(deployment, flags.config_file)
    except ConfigError as error:
        end(Exit.CONFIGURATION, *error.faults)
    try:
        write(flags.config_file, text(deployment), over=force)
    except FileExistsError:
        end(Exit.FAILED, f"{flags.config_file} is there already and stays as it is; --force replaces it")
    except OSError as error:
        end(Exit.FAILED, f"{flags.config_file} cannot be written: {error.strerror}")
    for warning in config.warnings:
        click.echo(f"emailproxy: {warning}", err=True)
    servers, accounts = len(config.servers), len(config.accounts) + len(config.templates)
    click.echo(
        f"{flags.config_file} is written: servers {servers}, accounts {accounts}, tokens in {_shown(deployment)}"
    )
    click.echo("\nNext:")
    for number, step in enumerate(_steps(flags.config_file, deployment, config), 1):
        click.echo(f"  {number}. {step}")


def _steps(path: Path, deployment: Deployment, config: Config) -> Iterator[str]:
    """What a person does now; what can be typed is ready to be."""
    command = f"emailproxy --config-file {shlex.quote(str(path))}"
    store = f"{command} --cache-store {shlex.quote(deployment.cache_store)}"
    if deployment.extras:
        package = f"emailproxy-cloud[{','.join(deployment.extras)}]"
        yield f"Install what it needs where it runs: pip install {shlex.quote(package)}"
    yield f"Look at what would be served, secrets included: {command} check --resolve"
    yield from deployment.next_steps
    name = next((one.name for one in config.accounts.values() if one.oauth2_flow in _WITHOUT_A_PERSON), None)
    if name is not None and "seal_key" in deployment.sections.get("emailproxy", {}):
        yield f"Give each device a password of its own: {store} passwords add {shlex.quote(name)} --name scanner"
    yield f"Run it, unless a machine does that already: {store}"


def _shown(deployment: Deployment) -> str:
    return deployment.cache_store.partition("?")[0]
