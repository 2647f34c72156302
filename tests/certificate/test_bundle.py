"""A bundle is read within bounds, from a folder or a .zip, and only its known files."""

import os
import random
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.certificate import archives
from tests.certificate.scene import Scene
from wipe_agent.certificate import Bundle, Unreadable, bundle
from wipe_agent.certificate.bundle import LIMITS, MAX_ARCHIVE_BYTES

FILES = Scene().files()


def _zip(path: Path, files: dict[str, bytes], **options: int) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["bundle", "bundle.zip", "deeper/bundle", "deeper/bundle.zip"])
def test_what_is_written_is_what_is_read(tmp_path: Path, name: str) -> None:
    Bundle.from_files(FILES).write(tmp_path / name)
    assert Bundle.load(tmp_path / name).files == FILES
    Bundle.from_files(FILES).write(tmp_path / name)
    assert Bundle.load(tmp_path / name).files == FILES
    assert not list(tmp_path.rglob(".*"))


def test_a_bundle_is_written_through_no_link_and_leaves_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "out.zip").symlink_to(precious)
    (shared / f".out.zip.{os.getpid()}").symlink_to(precious)
    Bundle.from_files(FILES).write(shared / "out.zip")
    assert precious.read_text() == "precious"
    assert not (shared / "out.zip").is_symlink()
    assert (shared / "out.zip").stat().st_mode & 0o777 == 0o644

    # Even where the draft's name is known, a link in its place is not followed.
    monkeypatch.setattr(bundle, "token_hex", lambda size: "known")
    (shared / ".known.partial").symlink_to(precious)
    with pytest.raises(FileExistsError):
        Bundle.from_files(FILES).write(shared / "out.zip")
    assert precious.read_text() == "precious"


def test_a_write_that_fails_leaves_the_old_archive_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "out.zip").write_text("old")
    monkeypatch.setattr(bundle.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        Bundle.from_files(FILES).write(tmp_path / "out.zip")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.zip", "old")]


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "{folder}/pipe"])
def test_what_never_ends_is_not_read_as_an_archive(tmp_path: Path, path: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unreadable, match="not an ordinary file"):
        Bundle.load(Path(path.format(folder=tmp_path)))


def test_the_same_bundle_gives_the_same_archive(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        Bundle.from_files(FILES).write(tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_a_bundle_of_documents_has_files_whose_hash_is_their_digest() -> None:
    documents = Scene().documents()
    bundle = Bundle.of(
        certificate=documents["certificate.json"],
        accreditation=documents["accreditation.json"],
        work_order=documents["work-order.json"],
        dids={"didDocuments": []},
    )
    assert bundle.files == {**FILES, "dids.json": b'{"didDocuments":[]}'}


def test_unknown_files_are_left_alone_and_named(tmp_path: Path) -> None:
    Bundle.from_files(FILES).write(tmp_path)
    (tmp_path / "notes.txt").write_bytes(b"x" * 10_000_000)
    (tmp_path / "photos").mkdir()
    bundle = Bundle.load(tmp_path)
    assert bundle.files == FILES
    assert bundle.ignored == ("notes.txt", "photos")
    assert Bundle.from_files({**FILES, "../../etc/passwd": b"x"}).ignored == ("../../etc/passwd",)


def test_an_archive_with_its_folder_and_the_marks_of_other_systems_is_read(tmp_path: Path) -> None:
    files = {f"LT-7K2F/{name}": content for name, content in FILES.items()}
    bundle = Bundle.load(_zip(tmp_path / "b.zip", {**files, "__MACOSX/LT-7K2F/._certificate.json": b"junk"}))
    assert bundle.files == FILES
    assert bundle.ignored == ("__MACOSX/LT-7K2F/._certificate.json",)


def test_what_is_no_bundle_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_bytes(b"certificate")
    (tmp_path / "empty.zip").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "large.zip").write_bytes(bytes(MAX_ARCHIVE_BYTES + 1))
    for name, reason in (
        ("missing", "cannot be read"),
        ("no\0name", "cannot be read"),
        ("circle", "cannot be read"),
        ("text.zip", "neither a folder nor a readable .zip"),
        ("empty.zip", "neither a folder nor a readable .zip"),
        ("folder", "no certificate.json"),
        ("large.zip", "more than 1048576 bytes"),
    ):
        with pytest.raises(Unreadable, match=reason):
            Bundle.load(tmp_path / name)


def test_links_pipes_and_folders_are_not_read_as_files(tmp_path: Path) -> None:
    for number, make in enumerate(
        (
            lambda path: path.symlink_to("/dev/zero"),
            lambda path: path.symlink_to(path.parent / "nowhere"),
            os.mkfifo,
            lambda path: path.mkdir(),
        )
    ):
        folder = tmp_path / str(number)
        Bundle.from_files(FILES).write(folder)
        (folder / "work-order.json").unlink()
        make(folder / "work-order.json")
        with pytest.raises(Unreadable, match=r"cannot be read|not an ordinary file"):
            Bundle.load(folder)


def test_each_file_has_its_limit(tmp_path: Path) -> None:
    for name, limit in LIMITS.items():
        assert Bundle.from_files({**FILES, name: b" " * limit}).files[name] == b" " * limit
        with pytest.raises(Unreadable, match=f"{name} has more than {limit} bytes"):
            Bundle.from_files({**FILES, name: b" " * (limit + 1)})
        archive = _zip(tmp_path / f"{name}.zip", {**FILES, name: bytes(limit + 1)}, compression=zipfile.ZIP_DEFLATED)
        with pytest.raises(Unreadable, match=f"{name} has more than {limit} bytes"):
            Bundle.load(archive)
        folder = tmp_path / f"folder-{name}"
        Bundle.from_files(FILES).write(folder)
        (folder / name).write_bytes(bytes(limit + 1))
        with pytest.raises(Unreadable, match=f"{name} has more than {limit} bytes"):
            Bundle.load(folder)


def test_an_archive_that_lies_about_sizes_is_read_no_further(tmp_path: Path) -> None:
    path = _zip(tmp_path / "b.zip", {"certificate.json": bytes(50_000_000)}, compression=zipfile.ZIP_DEFLATED)
    data = path.read_bytes()
    path.write_bytes(data.replace((50_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    with pytest.raises(Unreadable):
        Bundle.load(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression_is_refused_because_it_cannot_be_bounded(tmp_path: Path, method: int) -> None:
    with pytest.raises(Unreadable, match="unusual method"):
        Bundle.load(_zip(tmp_path / "b.zip", FILES, compression=method))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_an_archive_has_twice_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "b.zip", FILES)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("work-order.json", b"{}")
    with pytest.raises(Unreadable, match="twice"):
        Bundle.load(path)


TWO_WAYS = archives.two_ways(FILES, {**FILES, "certificate.json": b"{}"})
ONE_WAY = archives.one_way(FILES)


@pytest.mark.parametrize("name", TWO_WAYS)
def test_an_archive_in_which_two_readers_could_find_two_certificates_is_not_read(name: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        Bundle.from_zip(TWO_WAYS[name])
    assert str(refusal.value) == {
        "another name before the file": "The .zip calls the file 'status.json' by two names.",
        "something behind it": "This is neither a folder nor a readable .zip.",
        "a comment": "This is neither a folder nor a readable .zip.",
        "patched data": "certificate.json is packed by an unusual method. Use an ordinary .zip.",
        "encrypted": "certificate.json is encrypted. Use an ordinary .zip.",
        "an absolute name beside": "The .zip has more than one certificate.",
    }.get(name, "The .zip is damaged, or can be read in two ways. Download it again, or pack it anew.")


@pytest.mark.parametrize("name", ONE_WAY)
def test_an_odd_archive_that_can_be_read_in_one_way_is_read(name: str) -> None:
    assert Bundle.from_zip(ONE_WAY[name]).files == FILES


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    many = {f"file-{number}": b"" for number in range(64)}
    with pytest.raises(Unreadable, match="More than 64"):
        Bundle.from_files({**FILES, **many})
    with pytest.raises(Unreadable, match="More than 64"):
        Bundle.load(_zip(tmp_path / "b.zip", {**FILES, **many}))


def test_text_from_an_api_is_taken_and_half_characters_are_not() -> None:
    as_text = {name: content.decode() for name, content in FILES.items()}
    assert Bundle.from_files(as_text).files == FILES
    with pytest.raises(Unreadable, match="surrogate"):
        Bundle.from_files({**as_text, "certificate.json": "\ud800"})
    with pytest.raises(Unreadable, match="not text"):
        Bundle.from_files({**as_text, "certificate.json": 7})  # type: ignore[dict-item]


def test_damaged_archives_are_unreadable_and_nothing_worse(tmp_path: Path) -> None:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, content in FILES.items():
            writer.writestr(name, content)
    dice, path = random.Random(7), tmp_path / "b.zip"
    loaded = refused = 0
    for _ in range(300):
        data = bytearray(archive.getvalue())
        for _ in range(dice.randint(1, 4)):
            # The directory at the end is where damage is most confusing.
            place = dice.choice((dice.randrange(len(data)), len(data) - 1 - dice.randrange(300)))
            data[place] = dice.randrange(256)
        path.write_bytes(bytes(data[: dice.choice((len(data), dice.randrange(len(data))))]))
        try:
            found = Bundle.load(path).files
        except Unreadable:
            refused += 1
        else:
            loaded += 1
            # What is read is whole. A file whose name was hit is not ours any more, and is left out.
            assert found.items() <= FILES.items()
    assert loaded > 0, "every one was refused, so nothing was said of those that can be read"
    assert refused > 200, f"of 300 damaged archives only {refused} were refused"


def test_a_bundle_is_completed_with_what_came_after_the_signing_and_nothing_in_it_changes() -> None:
    bundle = Bundle.from_files(FILES)
    completed = bundle.completed(log_proof="proof", status="{}")
    assert completed.files == {**FILES, "log-proof.txt": b"proof", "status.json": b"{}"}
    assert completed.completed(log_proof="later").files["log-proof.txt"] == b"later"
    assert bundle.files == FILES
    for name, most in (("log_proof", 65_536), ("status", 65_536), ("accreditation_status", 65_536)):
        with pytest.raises(Unreadable, match="more than"):
            bundle.completed(**{name: "x" * (most + 1)})
