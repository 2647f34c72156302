"""`make run`: what it starts, and how it names a port that is taken."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ewaste import run
from ewaste.core.config import Config, ConfigError

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def config_for(tmp_path: Path, **settings: str) -> Config:
    return Config.from_env({"EWASTE_DATA": str(tmp_path), **settings})


@pytest.mark.parametrize("name", ["PORT", "PRACTICE_PORT"])
def test_a_taken_port_is_named_and_another_one_proposed(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        ports = {"PORT": str(free_port()), "PRACTICE_PORT": str(free_port())} | {name: str(port)}
        with pytest.raises(ConfigError, match=rf"Port {port} on 127\.0\.0\.1 .* {name}={port + 1} make run"):
            run.check_ports(config_for(tmp_path, **ports))


def test_a_taken_port_is_told_before_anything_is_started(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with socket.create_server(("127.0.0.1", 0)) as holder:
        environment = dict(os.environ, PORT=str(holder.getsockname()[1]), EWASTE_DATA=str(data))
        command = [sys.executable, "-m", "ewaste.run"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "another program may hold it" in done.stderr
    assert "Traceback" not in done.stderr
    assert not data.exists()


def test_free_ports_are_taken_without_a_word(tmp_path: Path) -> None:
    run.check_ports(config_for(tmp_path, PORT=str(free_port()), PRACTICE_PORT=str(free_port())))
    assert not run.listens(free_port())
    assert not run.answers(free_port(), "/readyz")


def test_practice_payments_come_up_first_and_the_worker_last(tmp_path: Path) -> None:
    names = [program.name for program in run.programs(config_for(tmp_path))]
    assert names == ["practice", "signer", "web", "worker"]


@pytest.mark.parametrize(
    "settings",
    [
        {
            "STRIPE_API_KEY": "sk_test_a",
            "STRIPE_WEBHOOK_SECRET": "whsec_a",
            "EWASTE_SMTP_URL": "smtp://mail.example",
        },
        {"PRACTICE_URL": "http://127.0.0.1:9999"},
    ],
)
def test_no_practice_server_is_started_where_payments_and_mail_go_elsewhere(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    names = [program.name for program in run.programs(config_for(tmp_path, **settings))]
    assert names == ["signer", "web", "worker"]


def test_the_worker_alone_is_told_where_the_signer_listens(tmp_path: Path) -> None:
    signer, web, worker = run.programs(config_for(tmp_path, PRACTICE_URL="http://127.0.0.1:9999", PORT="8100"))
    place = str(tmp_path / "signer" / "socket")
    assert (dict(web.environment), dict(worker.environment)) == ({}, {"EWASTE_LOG_SIGNER": place})
    assert not any("signer" in word for word in web.command)
    command = list(signer.command)
    assert command[command.index("--socket") + 1] == place
    assert command[command.index("--origin") + 1] == "127.0.0.1:8100/log"
    elsewhere = run.programs(
        config_for(tmp_path, PRACTICE_URL="http://127.0.0.1:9999", EWASTE_LOG_SIGNER="/run/s/socket")
    )
    assert [program.name for program in elsewhere] == ["web", "worker"]
    assert elsewhere[1].environment["EWASTE_LOG_SIGNER"] == "/run/s/socket"


def test_the_practice_server_signs_webhooks_with_the_secret_the_site_expects(tmp_path: Path) -> None:
    config = config_for(tmp_path, PORT="8100")
    practice = run.programs(config)[0]
    assert practice.environment["STRIPE_WEBHOOK_SECRET"] == config.payments_webhook_secret
    command = list(practice.command)
    assert command[command.index("--webhook-url") + 1] == "http://127.0.0.1:8100/webhooks/stripe"
    assert command[command.index("--port") + 1] == "8120"
