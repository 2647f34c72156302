"""The signer of the log: it signs a log that grows, remembers what it signed, and refuses everything else."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ewaste.signer import rules
from ewaste.signer.server import PATIENCE, listening, read_question, serve
from ewaste.signer.store import KEY, LAST, RESTORED, Store, StoreUnusable, go_on, write_durably
from ewaste.transparency.signing import Signer, SignerAway, SignerRefuses
from wipe_agent.certificate import log as fmt

ROOT = Path(__file__).parents[2]
ORIGIN = "market.test/log"
COMMAND = [sys.executable, "-m", "ewaste.signer", "serve"]


class Tree:
    """A log in memory: leaves and what is needed to prove their growth."""

    def __init__(self, *words: bytes) -> None:
        self.hashes = [fmt.leaf_hash(word) for word in words]

    def read(self, nodes: object) -> list[bytes]:
        def one(level: int, index: int) -> bytes:
            if level == 0:
                return self.hashes[index]
            return fmt.node_hash(one(level - 1, 2 * index), one(level - 1, 2 * index + 1))

        return [one(*node) for node in nodes]  # type: ignore[attr-defined]

    def head(self, size: int, origin: str = ORIGIN) -> fmt.Checkpoint:
        return fmt.Checkpoint(origin, size, fmt.root(size, self.read))

    def request(self, old: int, size: int, *, origin: str = ORIGIN) -> bytes:
        growth = fmt.consistency_proof(old, size, self.read)
        return bytes(fmt.Submission(old, growth, self.head(size, origin).text.encode()))


TREE = Tree(*(str(number).encode() for number in range(40)))
FORK = Tree(b"another", *(str(number).encode() for number in range(1, 40)))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "keys", origin=ORIGIN)


def test_a_log_that_grows_is_signed_and_what_was_signed_is_remembered(store: Store) -> None:
    for old, size in ((0, 1), (1, 7), (7, 8), (8, 40)):
        said = rules.answer(store, TREE.request(old, size))
        assert said.word == "signed"
        seen = fmt.open_checkpoint(said.body, store.vkey)
        assert seen.checkpoint == TREE.head(size)
        assert Store.open(store.folder).seen == TREE.head(size)
    assert rules.answer(store, TREE.request(8, 40)) == said  # The answer was lost: the same again.


def test_a_smaller_a_second_or_a_rewritten_log_is_never_signed(store: Store) -> None:
    rules.answer(store, TREE.request(0, 20))
    kept = (store.folder / LAST).read_bytes()
    for request, sentence in (
        (TREE.request(0, 19), "A log of 20 entries was signed. A smaller one, of 19, never is."),
        (FORK.request(0, 20), "Another log of 20 entries was signed. A second one never is."),
        (FORK.request(20, 30), "The log of 30 entries does not begin with the log of 20 that was seen before."),
        (TREE.request(20, 30)[:-60], "The checkpoint is not three lines: origin, size and root."),
        (TREE.request(20, 30, origin="other.test/log"), "This signer signs the log market.test/log and no other."),
        (bytes(fmt.Submission(20, (), TREE.head(30).text.encode())), "The proof that the log only grew is empty."),
        (b"old 20\n\nsign this letter\n", "The checkpoint is not three lines: origin, size and root."),
        (b"key\nlast\n", "The request is not written as: old SIZE, hashes, an empty line and a checkpoint."),
        (b"\xff\xfe", "The request is not UTF-8: byte 0 cannot be read."),
        (b"x" * 20_000, "The request has more than 16384 bytes."),
        (b"", "The request is not written as: old SIZE, hashes, an empty line and a checkpoint."),
    ):
        said = rules.answer(store, request)
        assert (said.word, said.body.decode()) == ("refused", sentence + "\n"), request[:80]
        assert (store.folder / LAST).read_bytes() == kept
    conflict = rules.answer(store, TREE.request(10, 30))
    assert (conflict.word, conflict.body) == ("conflict", kept)


def test_the_empty_log_is_not_signed_anew_and_the_questions_are_answered(store: Store) -> None:
    assert rules.answer(store, b"key\n").body.decode().strip() == str(store.vkey)
    assert fmt.open_checkpoint(rules.answer(store, b"last\n").body, store.vkey).checkpoint.size == 0


def test_what_cannot_be_kept_is_not_signed(store: Store) -> None:
    """The disk is full, or the power fails, before and after the new checkpoint is on disk."""
    outs: list[str] = []

    def full(path: Path, data: bytes) -> None:
        outs.append("full")
        raise OSError(28, "No space left on device")

    def dies(path: Path, data: bytes) -> None:
        outs.append("dies")
        write_durably(path, data)
        raise OSError(5, "The machine stopped")

    store.write = full
    with pytest.raises(OSError, match="No space"):
        rules.answer(store, TREE.request(0, 5))
    assert (store.seen.size, Store.open(store.folder).seen.size) == (0, 0)
    store.write = dies
    with pytest.raises(OSError, match="stopped"):
        rules.answer(store, TREE.request(0, 5))
    again = Store.open(store.folder)  # Started anew it remembers what nobody got to see, and gives it now.
    assert again.seen == TREE.head(5)
    assert rules.answer(again, FORK.request(0, 5)).word == "refused"
    assert rules.answer(again, TREE.request(0, 5)).word == "signed"
    assert outs == ["full", "dies"]


def test_a_new_key_store_is_whole_wherever_its_making_stops(tmp_path: Path) -> None:
    for stop in range(4):
        folder = tmp_path / str(stop)
        left = [stop]

        def write(path: Path, data: bytes, left: list[int] = left) -> None:
            if not left[0]:
                raise OSError(5, "The machine stopped")
            left[0] -= 1
            write_durably(path, data)

        if stop < 3:
            with pytest.raises(OSError, match="stopped"):
                Store.open(folder, origin=ORIGIN, write=write)
        else:
            Store.open(folder, origin=ORIGIN, write=write)
        store = Store.open(folder, origin=ORIGIN)
        assert rules.answer(store, TREE.request(0, 3)).word == "signed"
        assert Store.open(folder).vkey == store.vkey


def test_the_store_is_for_its_owner_alone(store: Store) -> None:
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    for name in (KEY, LAST):
        path = store.folder / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o640)
        with pytest.raises(StoreUnusable, match="can be read by others"):
            Store.open(store.folder)
        path.chmod(0o600)
    store.folder.chmod(0o750)
    with pytest.raises(StoreUnusable, match="is open to others"):
        Store.open(store.folder)


def test_a_store_without_memory_or_with_another_key_signs_nothing(store: Store) -> None:
    rules.answer(store, TREE.request(0, 20))
    key, last = (store.folder / KEY).read_bytes(), (store.folder / LAST).read_bytes()
    (store.folder / LAST).unlink()
    with pytest.raises(StoreUnusable, match="does not say what was signed last"):
        Store.open(store.folder, origin=ORIGIN)
    with pytest.raises(StoreUnusable, match="remembers nothing"):
        go_on(store.folder, None)
    (store.folder / LAST).write_bytes(last.replace(b"20\n", b"10\n"))
    (store.folder / LAST).chmod(0o600)
    with pytest.raises(StoreUnusable, match="does not say what was signed last"):
        Store.open(store.folder)
    write_durably(store.folder / LAST, last)
    other = Store.open(store.folder.with_name("other"), origin=ORIGIN)
    write_durably(store.folder / KEY, (other.folder / KEY).read_bytes())
    with pytest.raises(StoreUnusable, match=r"is not the one that log\.vkey names"):
        Store.open(store.folder)
    (store.folder / KEY).unlink()
    with pytest.raises(StoreUnusable, match="cannot be read"):
        Store.open(store.folder, origin=ORIGIN)
    write_durably(store.folder / KEY, key)
    assert Store.open(store.folder).seen.size == 20


def test_a_restored_signer_goes_on_from_the_newest_checkpoint_that_anybody_holds(store: Store) -> None:
    rules.answer(store, TREE.request(0, 10))
    backup = (store.folder / LAST).read_bytes()
    newest = rules.answer(store, TREE.request(10, 30)).body
    write_durably(store.folder / LAST, backup)
    (store.folder / RESTORED).touch(0o600)

    def refusal() -> str:
        return rules.answer(Store.open(store.folder), TREE.request(10, 30)).body.decode()

    assert refusal().startswith("This signer was restored from a backup")
    stranger = Store.open(store.folder.with_name("stranger"), origin=ORIGIN)
    for wrong in (rules.answer(stranger, FORK.request(0, 35)).body, newest[:-20], b""):
        with pytest.raises(StoreUnusable, match="cannot be used"):
            go_on(store.folder, wrong)
        assert refusal().startswith("This signer was restored from a backup")
    assert go_on(store.folder, newest) == TREE.head(30)
    again = Store.open(store.folder)
    assert rules.answer(again, FORK.request(10, 40)).word == "conflict"
    assert rules.answer(again, TREE.request(0, 10)).word == "refused"
    assert rules.answer(again, TREE.request(30, 40)).word == "signed"
    (store.folder / RESTORED).touch(0o600)
    assert go_on(store.folder, newest).size == 40  # An older one than it remembers itself takes nothing back.


@contextmanager
def running(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], Signer]]:
    """The program, until the block ends."""
    command = [*COMMAND, "--folder", str(folder), "--origin", ORIGIN, *more]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "is ready" in line, line + process.stderr.read()
        yield process, Signer(folder / "socket")
    finally:
        process.kill()
        process.communicate()


def test_the_program_signs_at_its_socket_and_survives_being_killed_at_any_time(tmp_path: Path) -> None:
    folder, public = tmp_path / "keys", tmp_path / "log.vkey"
    with running(folder, "--public", str(public)) as (process, signer):
        vkey = signer.key()
        assert public.read_text() == f"{vkey}\n"
        head = TREE.head(9)
        note = signer.sign(ORIGIN, 9, head.root, old_size=0, growth=())
        assert fmt.open_checkpoint(note.encode(), vkey).checkpoint == head
        assert (signer.path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
        command = [*COMMAND, "--folder", str(folder), "--socket", str(tmp_path / "elsewhere" / "socket")]
        twin = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (twin.returncode, "works with" in twin.stderr) == (2, True)
        process.kill()
        process.wait()
    with pytest.raises(SignerAway):
        signer.last()
    with running(folder) as (process, signer):
        assert (signer.key(), signer.last()) == (vkey, head)
        with pytest.raises(SignerRefuses, match="Another log of 9 entries was signed"):
            signer.sign(ORIGIN, 9, FORK.head(9).root, old_size=9, growth=())
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as rude:  # goes away in the middle of a question
            rude.connect(str(signer.path))
            rude.sendall(b"old 9\n")
        assert signer.last() == head
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert not signer.path.exists()


class Trickle:
    """A connection over which one byte comes every four seconds, by a clock of its own."""

    def __init__(self) -> None:
        self.passed, self.patience = 0.0, [0.0]

    def settimeout(self, seconds: float) -> None:
        self.patience.append(seconds)

    def recv(self, _: int) -> bytes:
        self.passed += min(4.0, self.patience[-1])
        return b"k"


def test_a_program_that_says_a_little_now_and_then_does_not_keep_the_signer_from_others() -> None:
    slow = Trickle()
    with pytest.raises(TimeoutError):
        read_question(slow, clock=lambda: slow.passed)  # type: ignore[arg-type]
    assert slow.patience[1:] == [5.0, 1.0]
    assert slow.passed == PATIENCE


def test_a_program_of_another_user_that_reaches_the_socket_is_refused(store: Store, tmp_path: Path) -> None:
    """The kernel tells who asks. Here the list holds a user that we are not."""
    path = tmp_path / "place" / "socket"
    with listening(path) as server:
        thread = threading.Thread(target=serve, args=(server, store, frozenset({os.geteuid() + 1})))
        thread.start()
        try:
            with pytest.raises(SignerRefuses, match="This program may not ask the signer"):
                Signer(path).last()
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
    (tmp_path / "place").chmod(0o755)
    with pytest.raises(StoreUnusable, match="is not ours alone"), listening(path):
        pass
