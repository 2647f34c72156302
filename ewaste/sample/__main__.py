"""`python -m ewaste.sample`: fill the market of this installation. Run again, it goes on, or does nothing."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ewaste.centres.credentials import Issuers
from ewaste.core.config import Config, ConfigError
from ewaste.core.database import Database
from ewaste.core.installation import installation
from ewaste.core.refusals import Conflict
from ewaste.core.sample import progress
from ewaste.payments.gateway import Gateway
from ewaste.sample import plan
from ewaste.sample.plan import Planned
from ewaste.sample.play import Play
from ewaste.sample.steps import Steps, alone


def main() -> int:
    """Exit code 0 when the market is filled or need not be; 2 when it must not be."""
    config = Config.from_env(os.environ)
    if config.sample != "full":
        print(f"EWASTE_SAMPLE is {config.sample}: there is nothing to fill.")
        return 0
    if not config.practice:
        print("The sample market pays with practice money, and STRIPE_API_KEY is set. It is not filled.")
        return 0
    database = Database(config.require_database_url(), pool_size=6)
    try:
        with database.transaction() as session:
            known = progress(session)
        if known is not None and known.finished:
            return 0
        from ewaste.payments.stripe_gateway import open_gateway  # Half a second that a later start need not spend.

        with alone(database):
            fill(
                database,
                config,
                plan.devices(),
                gateway=open_gateway(config),
                market_url=f"http://127.0.0.1:{config.port}",
            )
    except Conflict as error:
        print(error)
    finally:
        database.close()
    return 0


def fill(
    database: Database,
    config: Config,
    planned: Sequence[Planned],
    *,
    gateway: Gateway,
    market_url: str,
    issuers: Issuers | None = None,
    say: Callable[[str], None] = print,
) -> bool:
    """Fill the market with what is planned. False when it was filled already; then nothing happens."""
    steps = Steps(database, of_devices=len(planned))
    if steps.finished:
        return False
    if issuers is None:
        with database.transaction() as session:
            found = installation(session)
        issuers = Issuers.load(
            config.data / "keys",
            did_host=found.did_host,
            training=config.training,
            founded=found.founded_at,
            log=config.log_trust,
        )
    began = time.monotonic()
    say(f"filling the sample market: {steps.devices} of {steps.of_devices} devices")
    folder: Path = config.data / "sample"
    play = Play(steps, planned, issuers=issuers, gateway=gateway, market_url=market_url, folder=folder, say=say)
    play.fill()
    shutil.rmtree(folder / "images", ignore_errors=True)
    say(f"the sample market is filled, in {time.monotonic() - began:.0f} s. Where to look first:")
    for line in play.where_to_look():
        say(line)
    return True


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # a text stream, always
    try:
        sys.exit(main())
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
