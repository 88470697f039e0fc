"""Where does the service key come from, and how is it replaced? ``emailproxy seal``."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Final

import click
import trio

from emailproxy.cli.common import Flags, configuration
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.record_changes import save_record
from emailproxy.cli.stores_in_use import answer, opened_in_use
from emailproxy.config import Config
from emailproxy.config.sealkey import SealKey, new_key_text
from emailproxy.failures import ProxyError
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.managing import resealed
from emailproxy.store.base import StoreConflictError, StoreUnavailableError

__all__ = ["seal"]

TRIES: Final = 5


@click.group()
def seal() -> None:
    """Make the service key, and replace it.

    It seals the tokens and the app passwords of managed accounts (emailproxy passwords). Whoever has it and the store
    has the tokens; without it nothing opens. Keep it apart from the store.

    \b
    Example:
      emailproxy seal init /etc/emailproxy/seal.key
    """


@seal.command(short_help="Make a service key.")
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path, allow_dash=True))
def init(path: Path) -> None:
    """Make a service key and write it to PATH, which nobody but you can read; - is standard output.

    A file that exists is never replaced. Then write the line that is printed into [emailproxy].

    \b
    Examples:
      emailproxy seal init /etc/emailproxy/seal.key
      emailproxy seal init - | gcloud secrets create mail-seal --data-file=-
    """
    text = new_key_text()
    if str(path) == "-":
        click.echo(text)
        click.echo("seal_key = REFERENCE in [emailproxy] uses it, such as gcp:projects/P/secrets/mail-seal", err=True)
        return
    try:
        with open(path, "x", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        end(Exit.FAILED, f"{path} exists, and a key that is overwritten opens nothing any more; name another file")
    except OSError as error:
        end(Exit.FAILED, f"{path} cannot be written: {error.strerror}")
    click.echo(f"service key {SealKey.parse(text).identifier} is in {path}; keep a copy where the store is not.")
    click.echo("Write this into the configuration:\n")
    click.echo("[emailproxy]")
    click.echo(f"seal_key = file:{path.absolute()}")


@seal.command(short_help="Seal all records with the current service key.")
@click.pass_obj
def rotate(flags: Flags) -> None:
    """Seal every record that seal_key_previous sealed with seal_key; then seal_key_previous can be removed.

    The proxy does it by itself, account by account, as they log in; this is for those that never do. It may run
    meanwhile, if it has been told of both keys (SIGHUP).

    Exit status 1 if a record is left.

    \b
    Example:
      emailproxy seal rotate
    """
    config = configuration(flags.config_file)
    if config.settings.seal_key is None:
        end(
            Exit.CONFIGURATION,
            f"{config.path}: there is no seal_key in [emailproxy]; emailproxy seal init PATH makes one",
        )
    address, done, left = answer(partial(_rotate, flags, config))
    click.echo(f"{address}: sealed anew {done}, left {left}; the service key is {config.settings.seal_key.identifier}")
    if left:
        sys.exit(Exit.FAILED)


async def _rotate(flags: Flags, config: Config) -> tuple[str, int, int]:
    """Seal all anew; the store's address, how many were, and how many could not be."""
    done = left = 0
    async with opened_in_use(flags) as place:
        for name in await place.records.accounts():
            account = config.account(name)
            for _ in range(TRIES):
                try:
                    stored = await place.records.load_fresh(name)
                    if stored is None:
                        break
                    reseal = partial(
                        resealed, config.settings, account.name if account is not None else name, stored.record
                    )
                    record = await trio.to_thread.run_sync(reseal)
                    if record is not None:
                        await save_record(place, name, record, stored)
                        done += 1
                except StoreConflictError:
                    continue
                except StoreUnavailableError:
                    raise
                except (ProxyError, ValueError) as error:
                    left += 1
                    click.echo(f"emailproxy: {foreign(name)}: {foreign(error)}", err=True)
                break
            else:
                left += 1
                click.echo(f"emailproxy: {foreign(name)}: its record changes all the time; try again", err=True)
        return place.records.address, done, left
