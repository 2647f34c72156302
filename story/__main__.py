"""`make story`: one laptop from its owner's drawer to its next life, and three certificates that are refused.

Everything is real but the money and the drive: the market runs as `make run` starts it, people use its pages over HTTP,
the wipe agent is a program of its own that overwrites a disk image with a real file system. Each claim is looked at
from outside, in the raw image, on the pages, or in the database. `SABOTAGE=wipe`, `certificate` or `ledger` breaks
one thing behind the market's back; the story must then end at the claim that finds it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ewaste.accounts.samples import PASSWORD
from story.browser import Refused, Visitor
from story.stage import Agent, Market, market
from story.telling import Broken, Telling

SABOTAGES = ("", "wipe", "certificate", "ledger")
MODEL = "lenovo-thinkpad-t480"
SECRETS = {
    "letters/to-the-bank.txt": b"Dear bank, my account number is DE02 1203 0000 0000 2020 51 and nobody else may know.",
    "photos/holiday.jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00 a picture of the lake where we were in the summer of 2019",
    "keys/id_ed25519": b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAAplanted-for-the-story\n",
}
IMAGE_BYTES = 48 * 1024 * 1024


def main() -> int:
    """Exit code 0 when every claim held, 1 when one did not, 2 when the story could not begin."""
    sabotage = os.environ.get("SABOTAGE", "")
    if sabotage not in SABOTAGES:
        print(f"SABOTAGE is {sabotage!r}. It can be wipe, certificate or ledger.", file=sys.stderr)
        return 2
    if shutil.which("mke2fs") is None:
        print("The story needs mke2fs (Debian package e2fsprogs) to make a real file system.", file=sys.stderr)
        return 2
    telling = Telling()
    try:
        with market() as stage:
            try:
                Story(telling, stage, sabotage).play()
            except Refused as refusal:
                if refusal.status >= 500:
                    print(stage.log(), file=sys.stderr)
                raise
    except Broken as error:
        telling.broken(error)
        return 1
    except Refused as error:
        telling.broken(Broken("the story", "the site takes every step of the straight way", str(error)))
        return 1
    telling.end()
    return 0


class Story:
    """The steps, in order. What a step leaves for the next is kept here."""

    def __init__(self, telling: Telling, stage: Market, sabotage: str) -> None:
        self.tell = telling
        self.stage = stage
        self.sabotage = sabotage
        self.agent = Agent(stage.folder / "agent")
        self.cora, self.olga = self._somebody("cora@example.org"), self._somebody("olga@rhein.example")
        self.stefan = self._somebody("stefan@clearhand.example")
        self.bidders = {
            name: self._somebody(email)
            for name, email in (
                ("Rita", "rita@werk.example"),
                ("Ravi", "ravi@kreis.example"),
                ("Rosa", "rosa@neu.example"),
            )
        }
        self.app = sa.create_engine(stage.database_url("app"))
        self.superuser = sa.create_engine(stage.database_url("superuser"))

    def play(self) -> None:
        """From the quote to the last ledger entry, then what must be refused."""
        self.tell.say(f"A market of its own runs on {self.stage.url}; money and drives are practice.")
        code = self.quote_and_accept("PF1STORY")
        self.receive_and_inspect(code, "PF1STORY", ["DRIVE-ONE-7F2"])
        offer = self.confirm(code)
        image, order = self.plant_and_order(code, "DRIVE-ONE-7F2")
        self.enrol()
        self.wipe(order, image, "DRIVE-ONE-7F2")
        bundle = self.certify(order)
        self.sync(code, bundle)
        self.verify_outside(bundle)
        self.paid(code, offer)
        lot = self.form_lot(code)
        order_code, winner = self.auction(lot)
        self.pay_and_collect(order_code, winner)
        self.report(lot, code, winner)
        self.books(code)
        self.refusals(bundle)

    # The seller and the bench ------------------------------------------------------------------------------------

    def quote_and_accept(self, serial: str) -> str:
        """The owner asks for a price and takes it."""
        self.tell.step("Cora asks for a price and accepts it")
        answers = {
            "storage_gb": "256", "cosmetic": "light_marks", "power": "yes", "screen": "whole", "display": "clean",
            "battery": "good", "keyboard": "yes", "storage": "yes", "liquid": "no", "account": "yes", "charger": "yes",
        }  # fmt: skip
        page = self.cora.send(f"/quote/{MODEL}", f"/quote/{MODEL}", answers)
        code = page.url.rstrip("/").rpartition("/")[2]
        row = self.row("select amount_minor, lines from quotes where code = :code", code=code)
        last = row["lines"][-1]["amount_minor_after"]
        self.tell.claim(
            "the quote is the last of its lines",
            last == row["amount_minor"],
            f"{row['amount_minor'] / 100:.2f} EUR in {len(row['lines'])} lines",
        )
        centre = self.row("select id from organisations where name = 'Rhein Datenpark'")["id"]
        fields = {"serial": serial, "owner": "yes", "centre_id": str(centre), "silence": "send-back"}
        self.cora.send(page, "/accept", fields)
        device = self.row("select code, state from devices where claimed_serial = :serial", serial=serial)
        self.tell.claim("the device is expected", device["state"] == "expected", device["code"])
        return str(device["code"])

    def receive_and_inspect(self, code: str, serial: str, media: list[str]) -> None:
        """The centre receives, notes media, inspects."""
        self.tell.step("Olga receives, notes the storage, inspects and grades")
        bench = f"/bench/devices/{code}"
        self.olga.send(bench, "/receive", {"seal": "S-2041", "seal_state": "intact", "mass_g": "1920", "note": ""})
        for medium in media:
            self.note_medium(code, medium)
        findings = {
            "observed_serial": serial,
            "mass_g": "1580", "identity": "matches", "used": "used", "battery_state": "ok", "power": "on",
            "screen_wear": "faint", "screen_crack": "no", "body_wear": "visible", "display": "ok", "battery_soh": "86",
            "liquid": "no", "firmware_lock": "none", "storage": "present", "charger": "yes",
        }  # fmt: skip
        self.olga.send(bench, "/inspect", findings)
        device = self.row("select id, state from devices where code = :code", code=code)
        self.tell.claim("the device is inspected", device["state"] == "inspected")
        grade = self.row("select cosmetic, function from inspections where device_id = :id", id=device["id"])
        self.tell.say(f"Grade {grade['cosmetic']} for looks, {grade['function']} for function.")

    def note_medium(self, code: str, serial: str) -> None:
        """Note a drive that was seen."""
        fields = {
            "kind": "ssd",
            "manufacturer": "Samsung",
            "model": "PM981",
            "serial": serial,
            "size_gb": "",
            "wwn": "",
        }
        self.olga.send(f"/bench/devices/{code}", "/media", fields)

    def confirm(self, code: str) -> dict[str, Any]:
        """The owner reads the diff and confirms."""
        self.tell.step("Cora reads what was found, line by line, and confirms")
        offer = self.row(
            "select o.id, o.amount_minor, o.differences, q.amount_minor as quoted from offers o"
            " join quotes q on q.id = o.quote_id join devices d on d.id = o.device_id where d.code = :code",
            code=code,
        )
        deltas = sum(line["delta_minor"] for line in offer["differences"])
        self.tell.claim(
            "the differences add up to the new price exactly",
            offer["quoted"] + deltas == offer["amount_minor"],
            f"{offer['quoted'] / 100:.2f} {deltas / 100:+.2f} = {offer['amount_minor'] / 100:.2f} EUR",
        )
        self.cora.send(f"/devices/{code}", f"/offers/{offer['id']}/confirm")
        device = self.row("select state, title from devices where code = :code", code=code)
        self.tell.claim(
            "title has passed and the device waits to be wiped",
            (device["state"], device["title"]) == ("clearing", "market"),
        )
        return offer

    # The wipe ----------------------------------------------------------------------------------------------------

    def plant_and_order(self, code: str, name: str) -> tuple[Path, str]:
        """A disk image with a real file system and planted files; a signed work order."""
        self.tell.step("A disk image with a real file system and planted files; the market orders the wipe")
        image = self.make_image(name)
        self.olga.send(f"/bench/devices/{code}", "/work-order")
        row = self.row(
            "select w.code from work_orders w join devices d on d.id = w.device_id"
            " where d.code = :code and w.superseded_at is null",
            code=code,
        )
        found = [name for name, content in SECRETS.items() if content in image.read_bytes()]
        self.tell.claim(
            "the planted contents are found on the raw image before the wipe",
            len(found) == len(SECRETS),
            ", ".join(found),
        )
        return image, str(row["code"])

    def enrol(self) -> None:
        """The agent becomes a station of the centre."""
        self.tell.step("The wipe agent enrols with the centre's one-time code and fetches its orders")
        page = self.olga.send("/bench/stations", "/bench/stations/codes")
        code = next(
            word.strip(".,") for word in page.words.split() if word.count("-") == 3 and len(word.strip(".,")) == 23
        )
        exit_code, said = self.agent.run("enrol", "--market", self.stage.url, "--code", code, "--name", "Bench 1")
        self.tell.claim("the station is enrolled", exit_code == 0, said.get("verification_method", said))
        exit_code, said = self.agent.run("orders")
        self.tell.claim("the signed work order verifies at the station", exit_code == 0, "")

    def wipe(self, order: str, image: Path, serial: str) -> None:
        """Overwrite, read back, look for rests."""
        self.tell.step("The agent wipes the image, reads everything back, looks for rests")
        exit_code, _ = self.agent.run(
            "wipe",
            "--order",
            order,
            "--target",
            str(image),
            "--image",
            "--medium",
            serial,
            "--confirm-serial",
            "WRONG-SERIAL",
        )
        self.tell.claim(
            "a wrong serial destroys nothing", exit_code != 0 and SECRETS["keys/id_ed25519"] in image.read_bytes()
        )
        exit_code, said = self.agent.run(
            "wipe", "--order", order, "--target", str(image), "--image", "--medium", serial, "--confirm-serial", serial
        )
        self.tell.claim(
            "the agent says that the image is wiped and read back in full", exit_code == 0, said.get("verdict", "")
        )
        if self.sabotage == "wipe":
            with image.open("r+b") as drive:
                drive.seek(IMAGE_BYTES // 2)
                drive.write(SECRETS["keys/id_ed25519"])
        raw = image.read_bytes()
        left = [name for name, content in SECRETS.items() if content in raw]
        self.tell.claim(
            "the planted contents are not found on the raw image after the wipe",
            not left,
            ", ".join(left) or "none of them",
        )
        self.tell.claim("every byte of the image is zero", not raw.strip(b"\0"), f"{len(raw):,} bytes")

    def certify(self, order: str) -> Path:
        """The certificate, from the journal."""
        self.tell.step("The agent certifies what its journal says")
        archive = self.stage.folder / "bundle.zip"
        exit_code, said = self.agent.run("certify", "--order", order, "--zip", str(archive))
        self.tell.claim("the certificate is issued", exit_code == 0, said.get("certificate_id", said))
        if self.sabotage == "certificate":
            outbox = next(self.agent.home.glob("outbox/*/certificate.json"))
            outbox.write_text(outbox.read_text().replace("DRIVE-ONE-7F2", "DRIVE-ONE-7F3"))
        return archive

    def sync(self, code: str, bundle: Path) -> None:
        """The market verifies it, clears and routes the device."""
        self.tell.step("The market verifies the certificate, clears the device and sends it its way")
        _, said = self.agent.run("sync", "--once")
        receipts = said.get("receipts") or [{}]
        self.tell.claim(
            "the market accepts the certificate",
            receipts[0].get("outcome") == "accepted",
            receipts[0].get("reason", said),
        )
        self.agent.run("sync", "--once")
        count = self.row("select count(*) as n from certificates")["n"]
        self.tell.claim("sending twice does no harm", count == 1, f"{count} certificate")
        device = self.row("select state from devices where code = :code", code=code)
        self.tell.claim(
            "the device is cleared and on its way", str(device["state"]).startswith("for_"), device["state"]
        )

    def verify_outside(self, bundle: Path) -> None:
        """Anybody verifies it offline, with a trust file."""
        self.tell.step("Somebody else verifies the certificate offline, with the published trust file")
        trust = self.stage.folder / "trust.json"
        trust.write_bytes(self.cora.get_bytes("/trust.json"))
        stranger = Agent(self.stage.folder / "stranger")
        exit_code, said = stranger.run("verify", str(bundle), "--trust", str(trust), "--training")
        self.tell.claim("it verifies", exit_code == 0, f"{len(said.get('checks', []))} checks")
        exit_code, _ = stranger.run("verify", str(bundle), "--trust", str(trust))
        self.tell.claim("without --training a training certificate counts for nothing", exit_code == 1)
        exit_code, _ = stranger.run("verify", str(bundle), "--training")
        self.tell.claim("without a trust file there is no trusted issuer", exit_code == 1)
        page = self.stefan.send(
            "/verify", "/verify", {"training": "yes"}, {"bundle": ("bundle.zip", bundle.read_bytes())}
        )
        self.tell.claim("the public page says the same", "is gone" in page.words, "")

    # The money and the market --------------------------------------------------------------------------------------

    def paid(self, code: str, offer: Mapping[str, Any]) -> None:
        """The worker pays the seller."""
        self.tell.step("The worker pays Cora through the payment provider")
        row = self.until(
            "select i.state, i.amount_minor, i.provider_reference from payment_instructions i"
            " where i.kind = 'pay-out' and i.subject_id = (select device_id from offers where id = :offer)",
            "state", "succeeded", offer=offer["id"],
        )  # fmt: skip
        self.tell.claim(
            "she is paid the price of the offer",
            row["amount_minor"] == offer["amount_minor"],
            row["provider_reference"],
        )

    def form_lot(self, code: str) -> str:
        """Staff put the device into a lot."""
        self.tell.step("Stefan puts the laptop into a lot")
        page = self.stefan.send(
            "/staff/lots/new",
            "/staff/lots",
            {
                "title": "A laptop from Köln",
                "devices": [code],
                "start": "20",
                "reserve": "30",
                "starts_at": time.strftime("%Y-%m-%dT%H:%M", time.gmtime()),
                "ends_at": time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 3600)),
            },
        )
        lot = page.url.rstrip("/").rpartition("/")[2]
        count = self.row(
            "select count(*) as n from lot_lines l join lots o on o.id = l.lot_id where o.code = :lot", lot=lot
        )["n"]
        self.tell.claim("the lot is open with its manifest", count == 1, lot)
        manifest = self.cora.get_bytes(f"/lots/{lot}/manifest.csv").decode()
        self.tell.claim("the manifest names the device", code in manifest)
        return lot

    def auction(self, lot: str) -> tuple[str, str]:
        """Three recyclers bid over HTTP; the worker closes."""
        self.tell.step("Three recyclers bid; the worker closes the auction")
        answers = []
        for name, maximum in (("Rita", "45"), ("Ravi", "80"), ("Rosa", "80"), ("Rita", "62.50")):
            try:
                answers.append((name, self.bidders[name].send_for_json(f"/lots/{lot}", "/bids", {"maximum": maximum})))
            except Refused as refusal:
                self.tell.claim(
                    "a bid below the minimum is refused with the minimum",
                    name == "Rita" and maximum == "62.50",
                    refusal.words[:120],
                )
        numbers = [answer["seq"] for _, answer in answers]
        self.tell.claim("every acknowledged bid has its number", numbers == [1, 2, 3], numbers)
        # The lot ends in an hour; the owner of the database moves its end to now, and the job with it.
        with self.superuser.begin() as connection:
            connection.execute(sa.text("update lots set ends_at = now() where code = :lot"), {"lot": lot})
            connection.execute(
                sa.text("update procrastinate_jobs set scheduled_at = now() where task_name = 'market.close_lot'")
            )
        row = self.until(
            "select l.state, o.code, o.amount_minor, g.name from lots l left join orders o on o.lot_id = l.id"
            " left join organisations g on g.id = o.organisation_id where l.code = :lot",
            "state", "sold", lot=lot,
        )  # fmt: skip
        self.tell.claim(
            "of two equal maxima the earlier wins, at that maximum",
            (row["name"], row["amount_minor"]) == ("Kreislauf Kontor", 8_000),
            f"{row['name']} for {row['amount_minor'] / 100:.2f} EUR",
        )
        return str(row["code"]), "Ravi"

    def pay_and_collect(self, order: str, winner: str) -> None:
        """The winner pays on the provider's page and collects."""
        self.tell.step("Ravi pays on the provider's page and collects with a code")
        buyer = self.bidders[winner]
        page = buyer.send(f"/orders/{order}", f"/orders/{order}/pay")
        self.tell.claim(
            "the provider's page says that this is practice money",
            "practice" in page.words.lower(),
            page.url.split("?")[0],
        )
        told = None
        try:
            buyer.send(page, "", {"action": "decline"})
        except Refused as refusal:
            told = refusal.status
        self.tell.claim("a card that is declined is told so", told == 402, f"HTTP {told}")
        state = self.row("select state from orders where code = :order", order=order)["state"]
        self.tell.claim("a declined card moves nothing", state == "awaiting-payment", state)
        buyer.send(page, "", {"action": "pay"})
        row = self.until("select state, collection_code from orders where code = :order", "state", "paid", order=order)
        self.olga.send("/bench", "/bench/collections", {"collection_code": str(row["collection_code"]), "given": "yes"})
        row = self.row("select state from orders where code = :order", order=order)
        self.tell.claim("the order is handed over", row["state"] == "handed-over")

    def report(self, lot: str, code: str, winner: str) -> None:
        """The recycler tells what became of it."""
        self.tell.step("Ravi reports what became of the laptop")
        self.bidders[winner].send(
            f"/my-lots/{lot}",
            f"/devices/{code}/outcome",
            {
                "outcome": "dismantled",
                "mass_circuit_boards_g": "210",
                "mass_batteries_g": "330",
                "mass_plastics_g": "800",
                "mass_residue_g": "120",
            },
        )
        row = self.row("select d.state, d.id from devices d where d.code = :code", code=code)
        self.tell.claim("the device has its end", row["state"] == "dismantled")
        order = self.row("select state from orders order by made_at desc limit 1")
        self.tell.claim("the order is settled", order["state"] == "settled")

    def books(self, code: str) -> None:
        """The ledger and the chain, read again from outside."""
        self.tell.step("The books: ledger, custody chain, certificates, quotes, bids, all read again")
        if self.sabotage == "ledger":
            with self.superuser.begin() as connection:
                connection.execute(sa.text("set local session_replication_role = replica"))
                connection.execute(
                    sa.text(
                        "update entries set amount_minor = amount_minor + 1"
                        " where id = (select id from entries order by id limit 1)"
                    )
                )
        off = self.row(
            "select currency, sum(amount_minor) as n from entries group by currency having sum(amount_minor) <> 0"
        )
        entries = self.row("select count(*) as n from entries")["n"]
        self.tell.claim(
            "every currency of the ledger sums to zero",
            entries > 0 and not off,
            f"{off['n']} minor units of {off['currency']} too many" if off else f"{entries} entries",
        )
        events = self.row(
            "select count(*) as n from custody_events e join devices d on d.id = e.device_id where d.code = :code",
            code=code,
        )
        environment = self.stage.environment | {"DATABASE_URL": self.stage.database_url("app")}
        audit = subprocess.run(
            [sys.executable, "-m", "ewaste", "audit"], env=environment, capture_output=True, text=True, timeout=60
        )
        self.tell.claim(
            "the custody chain verifies, and everything else that is stored",
            audit.returncode == 0,
            f"{events['n']} events; {audit.stdout.strip().splitlines()[-1] if audit.stdout else audit.stderr}",
        )

    # What must be refused --------------------------------------------------------------------------------------------

    def refusals(self, first: Path) -> None:
        """A second laptop, and three certificates that clear nothing."""
        self.tell.step("A second laptop; a tampered, a replayed and an incomplete certificate are refused")
        with zipfile.ZipFile(first) as archive:
            old = {name: archive.read(name) for name in archive.namelist()}
        archive_path = self.stage.folder / "second.zip"
        with self.tell.quiet("the second laptop"):
            code = self.quote_and_accept("PF2STORY")
            self.receive_and_inspect(code, "PF2STORY", ["DRIVE-TWO-A11"])
            self.confirm(code)
            image, order = self.plant_and_order(code, "DRIVE-TWO-A11")
            self.agent.run("orders")
            drive = ("--medium", "DRIVE-TWO-A11", "--confirm-serial", "DRIVE-TWO-A11")
            wiped, _ = self.agent.run("wipe", "--order", order, "--target", str(image), "--image", *drive)
            certified, _ = self.agent.run("certify", "--order", order, "--zip", str(archive_path))
        self.tell.claim("the second laptop is wiped and certified as well", (wiped, certified) == (0, 0), code)
        with zipfile.ZipFile(archive_path) as archive:
            good = {name: archive.read(name) for name in archive.namelist()}
        tampered = good | {"certificate.json": good["certificate.json"].replace(b"DRIVE-TWO-A11", b"DRIVE-TWO-A12")}
        self.refused(code, "a tampered certificate", tampered, "certificate-proof")
        replayed = good | {"certificate.json": old["certificate.json"]}
        words = self.upload(code, replayed)
        self.tell.claim("a certificate of another device is not taken here", "This bundle belongs to D-" in words, code)
        self.unchanged(code)
        self.note_medium(code, "DRIVE-TWO-B22")
        self.refused(code, "a certificate that leaves out a drive found later", good, "Not covered: SSD ending -B22")
        kept = self.row("select count(*) as n from certificate_refusals")["n"]
        self.tell.claim("what was refused is kept for audit, with the reason", kept == 2, kept)

    def refused(self, code: str, what: str, files: Mapping[str, bytes], why: str) -> None:
        """Upload a bundle at the bench; it must be refused for this reason and change nothing."""
        words = self.upload(code, files)
        row = self.row("select reason, checks from certificate_refusals order by at desc limit 1")
        failed = [check["name"] for check in row.get("checks", []) if not check["ok"]]
        self.tell.claim(
            f"{what} is refused", why in failed or why in row.get("reason", ""), row.get("reason", words[:200])
        )
        self.unchanged(code)

    def upload(self, code: str, files: Mapping[str, bytes]) -> str:
        """Upload a bundle on the bench's page of a device. Returns the words of the answer."""
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        try:
            page = self.olga.send(
                f"/bench/devices/{code}", "/certificate", files={"bundle": ("bundle.zip", buffer.getvalue())}
            )
            return page.words
        except Refused as refusal:
            return refusal.words

    def unchanged(self, code: str) -> None:
        """The device waits for its certificate as before, and is not cleared."""
        state = self.row("select state from devices where code = :code", code=code)["state"]
        cleared = self.row(
            "select count(*) as n from clearances c join devices d on d.id = c.device_id where d.code = :code",
            code=code,
        )["n"]
        self.tell.claim("the device stays where it is", (state, cleared) == ("clearing", 0), state)

    # How things are looked at from outside ------------------------------------------------------------------------

    def _somebody(self, email: str) -> Visitor:
        visitor = Visitor(self.stage.url, email)
        visitor.sign_in(email, PASSWORD)
        return visitor

    def row(self, query: str, **values: Any) -> dict[str, Any]:
        """One row of the market's database, read as the app role; empty when there is none."""
        with self.app.connect() as connection:
            found = connection.execute(sa.text(query), values).mappings().first()
        return dict(found) if found else {}

    def until(self, query: str, column: str, value: str, **values: Any) -> dict[str, Any]:
        """The row once the worker has brought it there; what it is after twenty seconds otherwise."""
        deadline = time.monotonic() + 20
        row = self.row(query, **values)
        while row.get(column) != value and time.monotonic() < deadline:
            time.sleep(0.1)
            row = self.row(query, **values)
        self.tell.claim(f"the worker brings {column} to “{value}”", row.get(column) == value, "")
        return row

    def make_image(self, name: str) -> Path:
        """An image with an ext4 file system that holds the planted files."""
        folder = self.stage.folder / f"files-{name}"
        for path, content in SECRETS.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        image = self.stage.folder / f"{name}.img"
        with image.open("wb") as drive:
            drive.truncate(IMAGE_BYTES)
        subprocess.run(
            ["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(folder), str(image)], check=True, capture_output=True
        )
        shutil.rmtree(folder)
        return image


if __name__ == "__main__":
    sys.exit(main())
