// The certificate once more, enveloped as vc+jwt (wipe_agent/certificate/jwt.py): that it says the same and is signed
// with the same key. Nothing in the envelope chooses how it is checked.

import { ProofRefused, signedBy } from "./proof.js";
import { equal } from "./shape.js";
import { base64url } from "./status.js";
import { canonical, MAX_BYTES, read, Unreadable } from "./strict.js";

/** Rejects with Unreadable or ProofRefused; the message goes on after the name of the file. */
export async function checkEnvelope(bytes, unsigned, key, verificationMethod) {
  const parts = split(bytes);
  if (parts.length !== 3) throw new Unreadable("is not written as three parts with dots between them.");
  const [header, payload, signature] = parts.map(decoded);
  const said = readPart(header, "header");
  if (said.alg !== "Ed25519" || said.typ !== "vc+jwt") {
    throw new ProofRefused("is signed in another way than with Ed25519 as vc+jwt.");
  }
  if (!equal(said, { alg: "Ed25519", cty: "vc", kid: verificationMethod, typ: "vc+jwt" })) {
    throw new ProofRefused("names another key than the certificate, or has members in its header that are not known.");
  }
  if (!same(canonical(readPart(payload, "payload")), unsigned)) {
    throw new ProofRefused("says something else than the certificate.");
  }
  const signed = bytes.subarray(0, parts[0].length + 1 + parts[1].length);
  if (signature.length !== 64 || !(await signedBy(key, signature, signed))) {
    throw new ProofRefused("was changed after it was signed, or was signed with another key.");
  }
}

function readPart(bytes, what) {
  try {
    return read(bytes, what);
  } catch (problem) {
    throw new Unreadable(`cannot be read. ${problem.message}`);
  }
}

function split(bytes) {
  const parts = [];
  let start = 0;
  for (;;) {
    const dot = bytes.indexOf(0x2e, start);
    parts.push(bytes.subarray(start, dot < 0 ? bytes.length : dot));
    if (dot < 0 || parts.length > 3) return parts;
    start = dot + 1;
  }
}

function decoded(part) {
  if (part.length > Math.floor(MAX_BYTES / 3) * 4 + 4) throw new Unreadable("is too long.");
  const found = base64url(new TextDecoder("latin1").decode(part));
  if (found === null) throw new Unreadable("is not base64url.");
  if (found === undefined) throw new Unreadable("has stray bits or padding in it.");
  return found;
}

const same = (one, other) => one.length === other.length && one.every((byte, place) => byte === other[place]);
