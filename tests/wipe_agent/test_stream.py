"""The random stream: the one the standard tells of, made anew at any place; a wipe with it resumes."""

from __future__ import annotations

import errno
import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.wipe_agent.conftest import Station
from tests.wipe_agent.support import PASSPHRASE, planted_left
from wipe_agent import check, jobs, keys, methods
from wipe_agent.certificate import Bundle, Trust, verify
from wipe_agent.certificate.times import read_time
from wipe_agent.check.sampling import samples_needed
from wipe_agent.errors import BadUsage, JournalDamaged, NotComplete, NotWiped
from wipe_agent.journal import parse
from wipe_agent.media import Target, buffer


def told(station: Station) -> jobs.MediumStory:
    path = station.journal()
    return jobs.read_story(parse(path.read_bytes(), path.name)[0], path.name)


def regenerated(station: Station) -> bytes:
    """The whole stream by another way than the agent's: one encryption from the first byte on."""
    key = bytes.fromhex(told(station).attempts[-1].planned["pattern"]["key"])
    encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    return encryptor.update(bytes(station.image.stat().st_size))


def certificate_of(station: Station) -> Any:
    bundle = Bundle.load(station.certify().bundle)
    report = verify(
        bundle,
        Trust.parse(station.home.trust_file.read_bytes()),
        at=read_time(told(station).attempts[-1].checked["at"]),  # type: ignore[index]
        training=True,
    )
    assert report.ok, report.refusal
    assert report.statement is not None
    return report.statement


def test_the_stream_is_that_of_aes_in_counter_mode() -> None:
    # Counter mode is the encryption of the counters (NIST SP 800-38A, 6.5), which ECB gives as well.
    key = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    whole = (
        Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(b"".join(n.to_bytes(16, "big") for n in range(64)))
    )
    stream = methods.pattern_from({"kind": "aes-256-ctr", "key": key.hex()})
    assert bytes(stream.chunk(buffer(1024), 0)) == whole
    assert bytes(stream.chunk(buffer(256), 512)) == whole[512:768]
    assert stream.matches(memoryview(whole[512:768]), 512)
    assert not stream.matches(memoryview(whole[512:768]), 528)


def test_two_streams_differ() -> None:
    one, two = (bytes(methods.new_stream().chunk(buffer(4096), 0)) for _ in range(2))
    assert one != two


def test_a_stream_of_a_damaged_journal_is_refused() -> None:
    for facts in ({"kind": "aes-256-ctr"}, {"kind": "aes-256-ctr", "key": "00"}, {"kind": "rot13", "key": "00" * 32}):
        with pytest.raises(JournalDamaged):
            methods.pattern_from(facts)


def test_a_wipe_with_the_stream_leaves_the_stream_and_nothing_else(station: Station) -> None:
    with station.image.open("ab") as image:
        image.write(b"PLANTED SECRET in a last block that is none")
    done = station.wipe(stream=True)
    assert station.image.read_bytes() == regenerated(station)
    assert planted_left(station.image) == 0
    assert done.after["read_back"]["read"] == station.image.stat().st_size
    line = certificate_of(station).lines[0]
    assert (line.technique, line.level, line.evidence_class) == ("overwrite-aes-ctr", "clear", "full-read")
    assert "compared with the random stream, made anew" in line.verification_method
    assert "8 marks planted and found before, none after" in line.verification_method


def test_a_broken_off_stream_goes_on_at_its_checkpoint_with_the_same_key(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Target.sync, []

    def sync(self: Target) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        real(self)

    with monkeypatch.context() as patched:
        patched.setattr(Target, "sync", sync)
        with pytest.raises(KeyboardInterrupt):
            station.wipe(stream=True)
    # What the attempt was planned with counts, not what the second command says.
    assert station.wipe(stream=False).resumed_at == 2 << 20
    assert station.image.read_bytes() == regenerated(station)
    station.certify()


@pytest.mark.parametrize("what", ["zeros", "noise"])
def test_a_block_that_is_not_the_stream_is_seen_however_harmless_it_looks(
    station: Station, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    real = jobs.wiping.check.read_back
    block = bytes(4096) if what == "zeros" else hashlib.shake_256(b"noise").digest(4096)

    def change_first(target: Target, **more: Any) -> Any:
        with target.path.open("r+b") as image:
            image.seek(3 << 20)
            image.write(block)
        return real(target, **more)

    monkeypatch.setattr(jobs.wiping.check, "read_back", change_first)
    with pytest.raises(NotWiped, match=f"1 blocks of 4 KiB are not the stream .*first at byte {3 << 20}"):
        station.wipe(stream=True)
    with pytest.raises(NotComplete):
        station.certify()


# ------------------------------------------------------------------------------------------------ samples


@pytest.mark.parametrize(
    ("fraction", "confidence", "needed"), [(10_000, 990_000, 459), (1_000, 990_000, 4_603), (1_000, 999_000, 6_905)]
)
def test_the_number_of_samples_is_the_one_of_the_formula(fraction: int, confidence: int, needed: int) -> None:
    assert samples_needed(fraction, confidence) == needed


@pytest.mark.parametrize(
    ("fraction", "confidence"), [(0, 990_000), (1_000_000, 990_000), (1_000, 1_000_000), (1, 999_999)]
)
def test_a_share_that_cannot_be_sampled_is_refused(fraction: int, confidence: int, station: Station) -> None:
    before = station.image.read_bytes()
    with pytest.raises(BadUsage):
        station.wipe(sampling=(fraction, confidence))
    assert station.image.read_bytes() == before


def test_anybody_draws_the_same_samples_from_the_certificate(station: Station) -> None:
    done = station.wipe(sampling=(10_000, 990_000))
    statement = certificate_of(station)
    line = statement.lines[0]
    assert line.evidence_class == "sampled-read"
    assert (line.sampling.fraction_ppm, line.sampling.confidence_ppm, line.sampling.samples) == (10_000, 990_000, 459)
    # By the words of the manual, from the certificate alone:
    seed = hmac.new(
        statement.challenge.encode(), b"wipe-agent sampling v1\n" + line.medium_id.encode(), hashlib.sha256
    ).digest()
    assert line.sampling.seed == seed.hex()
    blocks = line.size_bytes // 4096
    drawn = {
        int.from_bytes(hmac.new(seed, i.to_bytes(8, "big"), hashlib.sha256).digest()[:8], "big") % blocks
        for i in range(459)
    }
    assert line.bytes_read == len(drawn) * 4096
    cells = check.BlockMap.from_facts(done.after["read_back"]["map"]).cells
    assert [at for at, letter in enumerate(cells) if letter == "."] == sorted(drawn)
    assert set(cells) == {".", "_"}


def test_a_leftover_where_a_sample_looks_is_seen_and_elsewhere_not(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why the full read is the default, in one test."""
    order = jobs.load_order(station.home, "WO-1")
    plan = check.plan_sample(
        order.document["credentialSubject"]["challenge"], order.media[0].id, fraction_ppm=10_000, confidence_ppm=990_000
    )
    places = plan.places(4 << 20)
    missed = next(block * 4096 for block in range(1024) if block * 4096 not in places)
    for place, seen in ((places[7], True), (missed, False)):
        real = check.read_back

        def restore_first(target: Target, place: int = place, real: Any = real, **more: Any) -> Any:
            with target.path.open("r+b") as image:
                image.seek(place)
                image.write(b"PLANTED SECRET")
            return real(target, **more)

        with monkeypatch.context() as patched:
            patched.setattr(jobs.wiping.check, "read_back", restore_first)
            if seen:
                with pytest.raises(NotWiped, match=f"first at byte {place}"):
                    station.wipe(sampling=(10_000, 990_000))
            else:
                station.wipe(sampling=(10_000, 990_000), start_over=True)
    assert planted_left(station.image) == 1
    assert "459 random blocks of 4 KiB read back" in certificate_of(station).lines[0].verification_method


def test_the_key_of_the_stream_stands_on_no_certificate(station: Station) -> None:
    station.wipe(stream=True)
    key = told(station).attempts[-1].planned["pattern"]["key"]
    files = Bundle.load(station.certify().bundle).files
    assert all(key.encode() not in data for data in files.values())
    assert keys.load_key(station.home, PASSPHRASE)  # The state folder has it, behind its owner's rights only.
    assert Path(station.journal()).stat().st_mode & 0o077 == 0


def test_three_passes_are_made_one_after_the_other_and_a_break_in_the_second_goes_on_there(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = jobs.Wish(method="overwrite-three-passes")
    stages: list[str] = []
    passes: list[bytes] = []
    real, syncs = Target.sync, []

    def sync(self: Target) -> None:
        syncs.append(1)
        if len(syncs) == 8:  # One for the marks, four for the first pass, two of the second.
            raise KeyboardInterrupt
        real(self)

    with monkeypatch.context() as patched:
        patched.setattr(Target, "sync", sync)
        with pytest.raises(KeyboardInterrupt):
            station.wipe(wish=wish)
    broken = told(station)
    assert broken.say() == f"broken off after {2 << 20} bytes were overwritten for the 2. time"
    assert planted_left(station.image) == 0  # The first pass was whole.
    with pytest.raises(NotComplete):
        station.certify()

    def step(name: str, size: int) -> None:
        stages.append(name)
        passes.append(station.image.read_bytes())

    done = station.wipe(wish=wish, progress=jobs.Progress(step=step))
    assert (done.resumed_at, done.technique) == (2 << 20, "overwrite-3-passes")
    assert stages == [
        "overwriting with a random stream (pass 2 of 3)",
        "overwriting with zeros (pass 3 of 3)",
        "reading everything back",
    ]
    attempt = told(station).attempts[-1]
    keys_ = [bytes.fromhex(one["key"]) for one in attempt.planned["earlier_passes"]]
    second = Cipher(algorithms.AES(keys_[1]), modes.CTR(bytes(16))).encryptor().update(bytes(4 << 20))
    assert passes[1] == second
    assert not any(station.image.read_bytes())
    line = certificate_of(station).lines[0]
    assert (line.technique, line.level, line.evidence_class) == ("overwrite-3-passes", "clear", "full-read")


def test_a_block_that_missed_one_of_three_passes_is_not_wiped(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, place, refused = Target.write, 40 * 4096, []

    def write(self: Target, data: memoryview, offset: int) -> None:
        covers = offset <= place < offset + len(data)
        # As long as the first pass lasts: a chunk, and then the block by itself with its tries.
        if covers and len(refused) < 1 + 3:
            refused.append(offset)
            raise OSError(errno.EIO, "Input/output error")
        real(self, data, offset)

    with monkeypatch.context() as patched:
        patched.setattr(Target, "write", write)
        patched.setattr(check, "choose_marks", lambda size: check.Marks("00", (0,)))
        with pytest.raises(NotWiped, match="1 blocks of 4 KiB did not take the overwrite"):
            station.wipe(wish=jobs.Wish(method="overwrite-three-passes"))
    assert not any(station.image.read_bytes())
    with pytest.raises(NotComplete):
        station.certify()
