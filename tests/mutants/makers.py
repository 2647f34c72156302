"""How mutants are made: each maker takes a random source and the pool, and gives a bundle that nobody signed like this.

Some kinds must be refused whatever they say (`NEVER`): those whose reading would depend on the reader. Of the others,
one may happen to say the very same as a valid bundle, only spelled otherwise; that one may be accepted.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from io import BytesIO
from random import Random
from typing import Any

from tests.certificate import scene as s
from tests.mutants.pool import ADDED, DOCUMENTS, SIGNED_BY, Files, Pool, sign
from wipe_agent import certificate as wipe
from wipe_agent.certificate import multibase, strict

Maker = Callable[[Random, Pool], Files]

STRANGERS = ("stranger", "another stranger", "a third stranger")
LOOKALIKES = {
    "a": "а",
    "e": "е",
    "o": "ο",
    "p": "р",
    "c": "с",
    "i": "і",
    "S": "Ѕ",
    "1": "１",
    "0": "О",
    "-": "‐",
    ".": "․",
    ":": "：",
}
INVISIBLE = ("\u200b", "\u200d", "\ufeff", "\u00ad", "\u2060", "\u202e", "\u2066", "\u2028", "\u0301", "\U000e0041")
BAD_UTF8 = (
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\x80",
    b"\xe2\x28\xa1",
    b"\xfe\xff",
)
BAD_NUMBERS = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1.0",
    b"1e0",
    b"-0",
    b"9007199254740992",
    b"0.0",
    b"01",
    b"+1",
    b"1_0",
    b"0x1",
)
ORDER_OF_THE_GROUP = 2**252 + 27742317777372353535851937790883648493
NEVER = frozenset(
    {"duplicates", "numbers", "not-utf-8", "oversize", "nesting", "truncation", "resigned", "insiders", "own-papers"}
)


def flipped_bits(random: Random, pool: Pool) -> Files:
    """One to eight bits of one document turned over."""
    files, name = _one(random, pool)
    content = bytearray(files[name])
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    return files | {name: bytes(content)}


def moved_bytes(random: Random, pool: Pool) -> Files:
    """Bytes left out, doubled, moved or put in."""
    files, name = _one(random, pool)
    content = files[name]
    start, size, to = random.randrange(len(content)), random.randint(1, 40), random.randrange(len(content))
    piece = content[start : start + size]
    rest = content[:start] + content[start + size :]
    made = random.choice(
        (
            rest,
            content[:to] + piece + content[to:],
            rest[:to] + piece + rest[to:],
            content[:to] + random.randbytes(size) + content[to:],
        )
    )
    return files | {name: made}


def truncation(random: Random, pool: Pool) -> Files:
    """One document cut short, or its beginning lost."""
    files, name = _one(random, pool)
    at = random.randrange(1, len(files[name]))
    return files | {name: random.choice((files[name][:at], files[name][at:]))}


def swapped_files(random: Random, pool: Pool) -> Files:
    """Whole documents of other valid bundles in the place of this one's, or in each other's."""
    files, other = _bundle(random, pool), _bundle(random, pool)
    for name in random.sample(DOCUMENTS, random.randint(1, 2)):
        files[name] = other[random.choice((name, name, random.choice(DOCUMENTS)))]
    return files


def swapped_parts(random: Random, pool: Pool) -> Files:
    """A part of a document, such as the proof, taken from the same place of another valid one."""
    files, name = _one(random, pool)
    document, other = json.loads(files[name]), json.loads(_bundle(random, pool)[name])
    for _ in range(random.randint(1, 3)):
        holder, member = _somewhere(random, document)
        theirs = _at(other, holder, document)
        if isinstance(theirs, type(holder)):
            try:
                holder[member] = deepcopy(theirs[member])
            except (KeyError, IndexError):
                continue
    if random.random() < 0.3:
        document["proof"] = other["proof"]
    return files | {name: strict.canonical(document)}


def edited(random: Random, pool: Pool) -> Files:
    """Values changed, members added, left out or renamed, without signing anew."""
    files, name = _one(random, pool)
    document = json.loads(files[name])
    for _ in range(random.choice((1, 1, 2))):
        _edit(random, document)
    return files | {name: strict.canonical(document)}


def resigned(random: Random, pool: Pool) -> Files:
    """Values changed and signed anew by a key that nobody lists, under the old key's name or its own."""
    files, name = _one(random, pool)
    document = json.loads(files[name])
    if random.random() < 0.9:
        _edit(random, document, but=("@context", "type", "proof"))
    _, method = SIGNED_BY[name]
    stranger = random.choice(STRANGERS)
    method = random.choice((method, method, method.partition("#")[0] + "#key-9", "did:web:stranger.example#key-1"))
    return files | {name: sign(document, stranger, method)}


def insiders(random: Random, pool: Pool) -> Files:
    """One party's real key signs what belongs to another: a station an order, the market an accreditation."""
    files, name = _one(random, pool)
    document = json.loads(files[name])
    _edit(random, document, but=("@context", "type", "proof"))
    key, method = SIGNED_BY[random.choice([other for other in DOCUMENTS if other != name])]
    if random.random() < 0.5:
        method = SIGNED_BY[name][1]
    return files | {name: sign(document, key, method)}


def own_papers(random: Random, pool: Pool) -> Files:
    """A stranger makes all three documents and brings DID documents along that list the stranger's keys."""
    files = _bundle(random, pool)
    stranger = random.choice(STRANGERS)
    accreditation, order = json.loads(files["accreditation.json"]), json.loads(files["work-order.json"])
    certificate = json.loads(files["certificate.json"])
    keys = accreditation["credentialSubject"]["conformityAssessment"][0]["accreditationScope"]["keys"]
    keys[0]["publicKeyMultibase"] = multibase.public_key_multibase(s.key(stranger).public_key())
    made: dict[str, bytes] = {}
    made["accreditation.json"] = sign(accreditation, stranger, SIGNED_BY["accreditation.json"][1])
    made["work-order.json"] = (
        sign(order, stranger, SIGNED_BY["work-order.json"][1]) if random.random() < 0.7 else files["work-order.json"]
    )
    subject = certificate["credentialSubject"]
    subject["authorisation"][0]["endorsementEvidence"]["digestMultibase"] = multibase.digest_of(
        made["accreditation.json"]
    )
    certificate["wipe"]["workOrder"]["digestMultibase"] = multibase.digest_of(made["work-order.json"])
    made["certificate.json"] = sign(certificate, stranger, SIGNED_BY["certificate.json"][1])
    public = s.key(stranger).public_key()
    listed = [wipe.did_document(method.partition("#")[0], {method: public}) for _, method in SIGNED_BY.values()]
    made["dids.json"] = wipe.canonical(wipe.dids_document(listed))
    return files | made


def duplicates(random: Random, pool: Pool) -> Files:
    """A member stands twice in one object, maybe spelled with an escape, with the same value or another."""
    files, name = _one(random, pool)
    text = files[name].decode()
    document = json.loads(text)
    holder = random.choice([each for each in _objects(document) if each])
    member = random.choice(sorted(holder))
    written = json.dumps(holder, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    value = holder[member] if random.random() < 0.3 else random.choice(("x", 1, None, {}, ["x"], True))
    spelled = member if random.random() < 0.6 else f"\\u{ord(member[0]):04x}{member[1:]}"
    pair = f'"{spelled}":{json.dumps(value, ensure_ascii=False, separators=(",", ":"))}'
    twice = f"{{{pair},{written[1:]}" if random.random() < 0.5 else f"{written[:-1]},{pair}}}"
    return files | {name: text.replace(written, twice, 1).encode()}


def lookalikes(random: Random, pool: Pool) -> Files:
    """Letters that look alike, letters that nobody sees, and letters of other widths or spelled in two signs."""
    files, name = _one(random, pool)
    text = files[name].decode()
    if random.random() < 0.5:
        letter = random.choice(sorted(set(text) & set(LOOKALIKES)))
        places = [at for at, each in enumerate(text) if each == letter]
        at = random.choice(places)
        text = text[:at] + LOOKALIKES[letter] + text[at + 1 :]
    else:
        at = random.randrange(len(text) + 1)
        text = text[:at] + random.choice(INVISIBLE) + text[at:]
    return files | {name: text.encode()}


def escapes(random: Random, pool: Pool) -> Files:
    """Letters written as escapes: some say the same, some half a letter or a control character."""
    files, name = _one(random, pool)
    text = files[name].decode()
    at = random.choice([at for at, each in enumerate(text) if each.isalnum()])
    escape = random.choice(
        (
            f"\\u{ord(text[at]):04x}" if ord(text[at]) < 65536 else "?",
            "\\ud800",
            "\\u0000",
            "\\udc00\\ud800",
            "\\n",
            "\\u202e",
        )
    )
    return files | {name: (text[:at] + escape + text[at + 1 :]).encode()}


def numbers(random: Random, pool: Pool) -> Files:
    """A number or a truth in a spelling that readers take for different things."""
    files, name = _one(random, pool)
    document = json.loads(files[name])
    holders = [
        (holder, key) for holder in _objects(document) for key, value in holder.items() if isinstance(value, int | bool)
    ]
    holder, key = random.choice(holders) if holders else (document["wipe"], "training")
    holder[key] = "HERE"
    return files | {name: strict.canonical(document).replace(b'"HERE"', random.choice(BAD_NUMBERS), 1)}


def not_utf_8(random: Random, pool: Pool) -> Files:
    """Bytes that are no UTF-8 inside a document, or another encoding of the whole."""
    files, name = _one(random, pool)
    content = files[name]
    if random.random() < 0.1:
        return files | {name: content.decode().encode(random.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig")))}
    at = random.randrange(len(content))
    return files | {name: content[:at] + random.choice(BAD_UTF8) + content[at:]}


def oversize(random: Random, pool: Pool) -> Files:
    """A document with too many bytes or too many values."""
    files, name = _one(random, pool)
    content = files[name]
    filling = random.choice(
        (
            b" " * (strict.MAX_BYTES - len(content) + 1),
            b'"filling":"' + b"x" * strict.MAX_BYTES + b'",',
            b'"filling":[' + b"0," * strict.MAX_VALUES + b"0],",
            b'"filling":[' + b"{}," * strict.MAX_VALUES + b"{}],",
        )
    )
    return files | {name: content[:1] + filling + content[1:]}


def nesting(random: Random, pool: Pool) -> Files:
    """A document that is nested deeper than anybody needs."""
    files, name = _one(random, pool)
    depth = random.choice((16, 17, 64, 1_000, 10_000))
    opened, closed = random.choice(((b"[", b"]"), (b'{"a":', b"}")))
    filling = b'"filling":' + opened * depth + b"1" + closed * depth + b","
    return files | {name: files[name][:1] + filling + files[name][1:]}


def proofs(random: Random, pool: Pool) -> Files:
    """Another algorithm, another purpose, a list of proofs, a signature that was bent, a key of somebody else."""
    files, name = _one(random, pool)
    document = json.loads(files[name])
    proof = document["proof"]
    signature = multibase.decode(proof["proofValue"])
    second = int.from_bytes(signature[32:], "little") + ORDER_OF_THE_GROUP * random.randint(1, 7)
    proof |= random.choice(
        (
            {
                "cryptosuite": random.choice(
                    ("eddsa-rdfc-2022", "ecdsa-jcs-2019", "none", "EDDSA-JCS-2022", "eddsa-jcs-2022 ")
                )
            },
            {"type": random.choice(("Ed25519Signature2020", "JsonWebSignature2020", "DataIntegrityProof2"))},
            {"proofPurpose": random.choice(("authentication", "keyAgreement", "assertionMethod "))},
            {"proofValue": multibase.encode(signature[:32] + (second % 2**256).to_bytes(32, "little"))},
            {"proofValue": multibase.encode(signature[: random.randrange(64)])},
            {"proofValue": multibase.encode(bytes([1]) + bytes(63))},
            {"proofValue": "z" + "1" * random.randint(1, 64)},
            {
                "verificationMethod": random.choice([method for _, method in SIGNED_BY.values()])
                + random.choice(("", "x"))
            },
            {"created": f"2026-03-{random.randint(1, 28):02}T16:05:00Z"},
            {"domain": "market.example"},
            {"previousProof": "urn:uuid:00000000-0000-4000-8000-000000000000"},
        )
    )
    if random.random() < 0.1:
        document["proof"] = random.choice(([proof], [proof, proof], None, {}, "proof", [[proof]]))
    if random.random() < 0.05:
        del document["proof"]
    return files | {name: strict.canonical(document)}


def contexts(random: Random, pool: Pool) -> Files:
    """A context appended, left out, put in another place, or given as an object; also under the proof."""
    files, name = _one(random, pool)
    document = json.loads(files[name])
    context = list(document["@context"])
    random.choice(
        (
            lambda: context.append("https://elsewhere.example/context"),
            lambda: context.append({"@vocab": "https://elsewhere.example/#"}),
            lambda: context.pop(random.randrange(len(context))),
            context.reverse,
            lambda: context.insert(0, context[0]),
        )
    )()
    document["@context"] = context
    if random.random() < 0.5:
        document["proof"]["@context"] = context
    return files | {name: strict.canonical(document)}


def bent_additions(random: Random, pool: Pool) -> Files:
    """The second form, a status list or the proof from the log: bent, cut, swapped, from another bundle, or made up."""
    files, name = _added(random, pool)
    content = files[name]
    at, size = random.randrange(len(content)), random.randint(1, 20)
    bent = bytearray(content)
    bent[at] ^= 1 << random.randrange(8)
    other, other_name = _added(random, pool)
    piece = other[name if name in other else other_name]
    made = random.choice(
        (
            bytes(bent),
            content[:at],
            content[:at] + content[at + size :],
            content[:at] + content[at : at + size] + content[at:],
            piece,
            other[other_name],
            content + random.choice((b"\n", b" ", b"x", content)),
            content.swapcase(),
        )
    )
    return files | {name: made}


def lies_about_standing(random: Random, pool: Pool) -> Files:
    """A status list or a log proof that a stranger, or the wrong party, signed as its own."""
    files, name = _added(random, pool)
    stranger = random.choice(STRANGERS)
    certificate = json.loads(files["certificate.json"])
    if name.endswith("status.json"):
        document = json.loads(files[name])
        method = document.pop("proof")["verificationMethod"]
        _edit(random, document, but=("@context", "type"))
        return files | {name: sign(document, random.choice((stranger, "station")), method)}
    if name == "certificate.jwt":
        return files | {name: s.envelope(certificate, name=stranger)}
    # A log of the right name whose key, or whose witnesses' keys, nobody knows; or one that holds another leaf.
    after = random.choice(
        (
            s.After(kind="wipe-started"),
            s.After(issuer=s.MARKET),
            s.After(witnessed={"stranger.example": s.at(17)}),
        )
    )
    if after.kind == "wipe-certificate" and after.issuer == s.CENTRE:
        certificate["name"] += "."
    return files | {"log-proof.txt": after.proof(certificate)}


def bent_archives(random: Random, pool: Pool) -> Files:
    """A .zip whose bytes were bent: what is left of it is what is sent."""
    out = BytesIO()
    files = _bundle(random, pool)
    with zipfile.ZipFile(out, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as writer:
        for name, content in files.items():
            writer.writestr(zipfile.ZipInfo(name), content)
    archive = bytearray(out.getvalue())
    for _ in range(random.choice((1, 2, 4))):
        archive[random.randrange(len(archive))] ^= 1 << random.randrange(8)
    return {"bundle.zip": bytes(archive)}


MAKERS: tuple[tuple[str, Maker, int], ...] = (
    ("bits", flipped_bits, 20),
    ("bytes", moved_bytes, 10),
    ("truncation", truncation, 4),
    ("swapped-files", swapped_files, 8),
    ("swapped-parts", swapped_parts, 10),
    ("edited", edited, 12),
    ("resigned", resigned, 6),
    ("insiders", insiders, 3),
    ("own-papers", own_papers, 2),
    ("duplicates", duplicates, 8),
    ("lookalikes", lookalikes, 8),
    ("escapes", escapes, 4),
    ("numbers", numbers, 4),
    ("not-utf-8", not_utf_8, 4),
    ("oversize", oversize, 1),
    ("nesting", nesting, 2),
    ("proofs", proofs, 8),
    ("contexts", contexts, 4),
    ("archives", bent_archives, 2),
    ("additions", bent_additions, 10),
    ("standing", lies_about_standing, 4),
)
"""Name, maker, and its weight: how many of 134 mutants are of this kind."""


def mutants(seed: int, count: int, pool: Pool) -> Iterator[tuple[str, Files]]:
    """`count` mutants with the name of their kind; the same seed gives the same mutants."""
    random = Random(seed)
    names = [name for name, _, weight in MAKERS for _ in range(weight)]
    makers = {name: maker for name, maker, _ in MAKERS}
    for _ in range(count):
        name = random.choice(names)
        yield name, makers[name](random, pool)


# ---------------------------------------------------------------------------- pieces


def _bundle(random: Random, pool: Pool) -> Files:
    return dict(random.choice(pool.bundles))


def _one(random: Random, pool: Pool) -> tuple[Files, str]:
    return _bundle(random, pool), random.choice((*DOCUMENTS, "certificate.json"))


def _added(random: Random, pool: Pool) -> tuple[Files, str]:
    """A bundle that has them, and one of the files that came with or after the signing."""
    files = dict(random.choice([files for files in pool.bundles if "log-proof.txt" in files] or pool.bundles))
    return files, random.choice([name for name in ADDED if name in files] or DOCUMENTS)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(below)


def _somewhere(random: Random, document: Any) -> tuple[Any, Any]:
    """An object or list of the document, and one of its members."""
    holder, member = document, random.choice(sorted(document))
    while isinstance(below := holder[member], dict | list) and below and random.random() < 0.75:
        holder = below
        member = random.choice(sorted(holder)) if isinstance(holder, dict) else random.randrange(len(holder))
    return holder, member


def _at(other: Any, holder: Any, document: Any) -> Any:
    """What stands in `other` where `holder` stands in `document`; None if nothing does."""
    if document is holder:
        return other
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for member, value in pairs:
        if isinstance(value, dict | list):
            try:
                below = other[member]
            except (KeyError, IndexError, TypeError):
                continue
            if (found := _at(below, holder, value)) is not None:
                return found
    return None


def _edit(random: Random, document: dict[str, Any], but: tuple[str, ...] = ()) -> None:
    """Change something that is not in a member named in `but`, so that it says something else."""
    while True:
        holder, member = _somewhere(random, document)
        if holder is document and member in but:
            continue
        before = strict.canonical(document)
        way = random.random()
        if way < 0.12 and isinstance(holder, dict):
            del holder[member]
        elif way < 0.24 and isinstance(holder, dict):
            holder[random.choice(("note", "extra", "id2", "Name", member + "_"))] = random.choice(
                ("x", 1, True, None, {})
            )
        else:
            holder[member] = _other_value(random, holder[member])
        if strict.canonical(document) != before:
            return


def _other_value(random: Random, value: Any) -> Any:
    if isinstance(value, bool):
        return random.choice((not value, int(value), str(value).lower(), None))
    if isinstance(value, int):
        return random.choice((value + 1, max(0, value - 1), value * 2, str(value), 0, 1, None))
    if isinstance(value, str) and value:
        at = random.randrange(len(value))
        return random.choice(
            (
                value[:at] + random.choice("abcXYZ019") + value[at + 1 :],
                value + "x",
                value[:-1],
                value.upper(),
                value.swapcase(),
                "",
                [value],
                None,
            )
        )
    if isinstance(value, list):
        return random.choice((value + value[-1:], value[:-1], value[::-1], [value], {}, None))
    return random.choice((None, [], {}, "x", 0))
