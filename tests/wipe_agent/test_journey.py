"""A station's whole day, as an operator works: enrol, orders, wipe, certify, sync, verify."""

import json
from pathlib import Path

from tests.wipe_agent.market import Market
from tests.wipe_agent.support import World, agent, medium, planted_image, planted_left


def test_a_drive_goes_from_order_to_receipt_and_nothing_planted_is_left(tmp_path: Path) -> None:
    world, home = World(), tmp_path / "home"
    image = planted_image(tmp_path / "disk.img", 12)
    world.order(medium("DISK-0001"), code="WO-7")
    assert planted_left(image) > 0
    with Market(world) as market:
        done = agent("enrol", "--market", market.url, "--code", "ENROL-1", "--json", home=home)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["mode"] == "training"
        done = agent("orders", "--json", home=home)
        assert json.loads(done.stdout)["orders"][0]["media"][0]["state"] == "not begun"

        words = ("--order", "WO-7", "--target", str(image), "--image", "--confirm-serial", "DISK-0001", "--json")
        done = agent("wipe", *words, "--operator", "Ada", home=home)
        assert done.returncode == 0, done.stderr
        before = json.loads(done.stdout)["before"]
        assert before["file-system ext"] == 1
        assert before["file sqlite"] == 1
        assert planted_left(image) == 0
        assert not any(image.read_bytes())

        done = agent("certify", "--order", "WO-7", "--zip", str(tmp_path / "c.zip"), "--json", home=home)
        assert done.returncode == 0, done.stderr
        bundle = json.loads(done.stdout)["bundle"]
        done = agent("sync", "--json", home=home)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["receipts"][0]["outcome"] == "accepted"
        assert not Path(bundle).exists()

    for place in (tmp_path / "c.zip", home / "sent" / Path(bundle).name):
        done = agent("verify", str(place), "--training", home=home)
        assert done.returncode == 0, done.stdout
        assert done.stdout.startswith("ok    readable:")
        assert "TRAINING" in done.stdout
    # Without --training, and without any enrolment, it does not verify; a trust file by hand is enough.
    assert agent("verify", str(place), home=home).returncode == 1
    assert "no trusted issuer" in agent("verify", str(place), "--training", home=tmp_path / "empty").stdout
    trust = tmp_path / "trust.json"
    trust.write_text(json.dumps(world.trust()))
    assert agent("verify", str(place), "--training", "--trust", str(trust), home=tmp_path / "empty").returncode == 0
    assert agent("verify", str(tmp_path), home=home).returncode == 2
