"""A whole market as `make run` starts it, and people with browsers in it: with scripts and without."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from playwright.sync_api import Browser, Locator, Page

from ewaste.accounts.samples import PASSWORD
from ewaste.centres.credentials import Issuers
from ewaste.core.database import Database
from ewaste.core.installation import installation
from story.stage import Agent, Market, market
from tests.world import World

PATIENCE_SECONDS = 30
PHONE = {"width": 390, "height": 844}
IMAGE_BYTES = 2 * 1024 * 1024
PLANTED = b"a letter that nobody else may read"


class Town:
    """The market, its database seen from outside, and the agent of one centre."""

    def __init__(self, stage: Market) -> None:
        self.stage = stage
        self.url = stage.url
        stage.backdate()
        self.database = Database(stage.database_url("app"), pool_size=2)
        self._owner = sa.create_engine(stage.database_url("superuser"))
        with self.database.transaction() as session:
            found = installation(session)
        issuers = Issuers.load(stage.folder / "keys", did_host=found.did_host, training=True, founded=found.founded_at)
        self.world = World(self.database, issuers, datetime.now(UTC) - timedelta(days=10))
        # The clock of this world is the real one, whatever other tests make of `ewaste.core.clock` in this process.
        # Devices that were cleared days ago: their wipe takes hours of the world's own clock.
        self._cleared = [
            (number, self.world.cleared(serial=number, serials=(f"{number}-D",)))
            for number in (f"PF{name}" for name in "ABCDEF")
        ]
        self._agent: Agent | None = None
        self._cookies: dict[str, Any] = {}

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()
        self._owner.dispose()

    def row(self, query: str, **values: Any) -> dict[str, Any]:
        """One row; empty when there is none."""
        with self.database.engine.connect() as connection:
            found = connection.execute(sa.text(query), values).mappings().first()
        return dict(found) if found else {}

    def until(self, query: str, wanted: Any, **values: Any) -> None:
        """Wait until the worker has brought the first column of a row there."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := next(iter(self.row(query, **values).values()), None)) != wanted:
            assert time.monotonic() < deadline, f"{query}: {found!r} instead of {wanted!r}\n{self.stage.log()}"
            time.sleep(0.05)

    def let_time_pass(self, sql: str, task: str, **values: Any) -> None:
        """What was to happen later is due now: the owner of the database moves its time, and that of the job."""
        with self._owner.begin() as connection:
            connection.execute(sa.text(sql), values)
            connection.execute(
                sa.text("update procrastinate_jobs set scheduled_at = now() where task_name = :task"), {"task": task}
            )

    def take_cleared(self) -> tuple[str, UUID]:
        """A device that was cleared before the test began: its serial and its id."""
        self.world.now = datetime.now(UTC)
        return self._cleared.pop(0)

    def bring_in(self, person: Person, email: str) -> None:
        """Sign somebody in: through the form the first time, then with the cookie that it gave them.

        So often nobody signs in from one address within a minute, and the site would say so.
        """
        if email not in self._cookies:
            person.sign_in(email)
            self._cookies[email] = person.context.cookies()
        person.context.add_cookies(self._cookies[email])  # type: ignore[arg-type]

    def agent(self, enrol: Callable[[], str]) -> Agent:
        """The agent of Olga's bench; `enrol` brings the one-time code when it is new."""
        if self._agent is None:
            agent = Agent(self.stage.folder / "agent")
            code, said = agent.run("enrol", "--market", self.url, "--code", enrol(), "--name", "Bench 1")
            assert code == 0, said
            self._agent = agent
        return self._agent

    def drive(self, name: str) -> Path:
        """A disk image with a real file system and a planted file."""
        folder = self.stage.folder / f"files-{name}"
        folder.mkdir()
        (folder / "letter.txt").write_bytes(PLANTED)
        image = self.stage.folder / f"{name}.img"
        with image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        subprocess.run(
            ["mke2fs", "-q", "-F", "-t", "ext2", "-d", str(folder), str(image)], check=True, capture_output=True
        )
        assert PLANTED in image.read_bytes()
        return image


@contextmanager
def town() -> Iterator[Town]:
    """A town for as long as the block lasts."""
    with market() as stage:
        there = Town(stage)
        try:
            yield there
        finally:
            there.close()


class Person:
    """Somebody at a browser on a phone or a desk. What the browser complains of is kept in `complaints`."""

    def __init__(self, browser: Browser, base: str, *, scripts: bool, phone: bool = False) -> None:
        self.context = browser.new_context(
            base_url=base,
            java_script_enabled=scripts,
            locale="en-GB",
            viewport=PHONE if phone else {"width": 1280, "height": 900},  # type: ignore[arg-type]
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def sign_in(self, email: str) -> Person:
        """Through the form."""
        self.page.goto("/sign-in")
        self.send("/sign-in", {"email": email, "password": PASSWORD})
        assert "/sign-in" not in self.page.url, self.words()
        return self

    def open(self, path: str) -> Person:
        """Go to a page."""
        answer = self.page.goto(path)
        assert answer is None or answer.status < 400, f"{path}: {answer.status}\n{self.words()}"
        return self

    def words(self) -> str:
        """The page as it reads."""
        return " ".join(self.page.locator("body").inner_text().split())

    def sees(self, *texts: str) -> Person:
        """The page says this, in words that can be seen."""
        words = self.words()
        for text in texts:
            assert text in words, f"“{text}” does not stand on {self.page.url}:\n{words[:4000]}"
        return self

    def send(
        self,
        action: str,
        fields: Mapping[str, str | list[str]] | None = None,
        files: Mapping[str, Path] | None = None,
        *,
        button: str | None = None,
    ) -> Person:
        """Fill in the form whose action ends like this, as a person does, and press its button.

        A form may have a second button that leads elsewhere; then that one is pressed.
        """
        form = self.page.locator(f'form[method="post"][action$="{action}"]').first
        second = self.page.locator(f'button[formaction$="{action}"]')
        by_second = not form.count() and second.count() > 0
        if by_second:
            form = self.page.locator('form[method="post"]', has=second).first
        assert form.count(), f"{self.page.url} has no form for {action}:\n{self.words()[:3000]}"
        self._unfold(form)
        for name, value in (fields or {}).items():
            for one in value if isinstance(value, list) else [value]:
                self._fill(form, name, one)
        for name, path in (files or {}).items():
            form.locator(f'input[type=file][name="{name}"]').set_input_files(str(path))
        if by_second:
            press = second
        elif button is None:
            press = form.locator('button[type="submit"]:not([formaction]), button:not([type])').last
        else:
            press = form.get_by_role("button", name=button)
        with self.page.expect_navigation():
            press.click()
        return self

    def _unfold(self, inside: Locator) -> None:
        for fold in inside.locator("xpath=ancestor::details[not(@open)]").all():
            fold.locator("> summary").click()

    def _fill(self, form: Locator, name: str, value: str) -> None:
        field = form.locator(f'[name="{name}"]:not([type=hidden])')
        assert field.count(), f"{self.page.url}: this form has no field {name}"
        self._unfold(field.first)
        kind = field.first.evaluate("field => field.tagName === 'INPUT' ? field.type : field.tagName")
        if kind == "SELECT":
            field.select_option(value)
        elif kind in ("radio", "checkbox"):
            one = form.locator(f'[name="{name}"][value="{value}"]')
            if not one.is_checked():
                # The field itself may be drawn by its label; a person presses the label.
                one.check(force=True)
        else:
            field.fill(value)

    def _listen(self, said: Any) -> None:
        # The browser also notes each answer that is a refusal (4xx); that is not a complaint about the page.
        if said.type == "error" and "Failed to load resource" not in said.text:
            self.complaints.append(said.text)
