"""Messages are written with the step that causes them, once for each occasion, and lose their text when sent."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.core import mail
from ewaste.core.database import Database
from ewaste.core.mail import Letter, Mail, MailState
from ewaste.core.mailer import NotTakenError
from ewaste.worker import Work
from tests.due import run_due

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


class Post:
    """A mail server that says what it is told to say, and keeps what it took."""

    def __init__(self, *answers: NotTakenError | None) -> None:
        self.answers = list(answers)
        self.taken: list[Letter] = []

    def send(self, letter: Letter) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.taken.append(letter)


def work(database: Database, post: Post) -> Work:
    return Work(database, None, practice=True, mailer=post)  # type: ignore[arg-type]


def write(database: Database, key: str = "offer 1", **more: str) -> bool:
    letter = {"to": "cora@example.org", "name": "Cora", "subject": "Your offer", "text": "Look: {site}/x"} | more
    with database.transaction() as session:
        return mail.write(session, key=key, now=NOW, **letter)


def stored(database: Database) -> list[tuple[MailState, str, int, str | None]]:
    with database.transaction() as session:
        rows = session.execute(sa.select(Mail.state, Mail.text, Mail.attempts, Mail.failure).order_by(Mail.key))
        return [tuple(row) for row in rows]  # type: ignore[misc]


def test_a_step_that_runs_twice_writes_once(database: Database) -> None:
    assert [write(database), write(database), write(database, "offer 2")] == [True, False, True]
    post = Post()
    assert run_due(database, work(database, post)) == 2
    assert [letter.to_address for letter in post.taken] == ["cora@example.org", "cora@example.org"]


def test_a_step_that_rolls_back_writes_nothing(database: Database) -> None:
    with database.engine.connect() as connection, connection.begin() as step:
        mail.write(Session(connection), to="a@b.example", name="A", subject="S", text="T", key="k", now=NOW)
        step.rollback()
    assert stored(database) == []
    assert run_due(database, work(database, Post())) == 0


def test_a_message_that_was_sent_loses_its_text(database: Database) -> None:
    write(database)
    run_due(database, work(database, Post()))
    assert stored(database) == [(MailState.SENT, "", 1, None)]


def test_a_server_that_is_away_keeps_the_message_waiting(database: Database) -> None:
    write(database)
    post = Post(NotTakenError("away", for_good=False))
    with pytest.raises(NotTakenError):
        run_due(database, work(database, post))
    assert stored(database) == [(MailState.WAITING, "Look: {site}/x\n", 1, "away")]
    run_due(database, work(database, post))
    assert stored(database) == [(MailState.SENT, "", 2, None)]


def test_a_message_refused_for_good_is_given_up_and_says_why(database: Database) -> None:
    write(database)
    assert run_due(database, work(database, Post(NotTakenError("550 nobody", for_good=True)))) == 1
    assert stored(database) == [(MailState.FAILED, "", 1, "550 nobody")]


def test_a_message_that_was_sent_is_not_sent_again(database: Database) -> None:
    write(database)
    post = Post()
    machine = work(database, post)
    run_due(database, machine)
    with database.transaction() as session:
        sent = session.scalars(sa.select(Mail.id)).one()
    machine.send_mail(str(sent))
    machine.send_mail(str(UUID(int=1)))
    assert len(post.taken) == 1


def test_what_would_not_fit_is_a_mistake_of_ours(database: Database) -> None:
    with pytest.raises(ValueError, match="200 characters"):
        write(database, subject="x" * 201)
