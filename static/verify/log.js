// The public log, offline: that an entry is in the tree, and which witnesses saw it when (wipe_agent/certificate/log/).
//
// RFC 6962 trees; C2SP signed notes, checkpoints, cosignatures and tlog proofs. Whatever is read is read strictly and
// bounded: Unreadable when it is not written as agreed, LogRefused when it does not hold.

import { refuseUnsafePoint, sha256 } from "./multibase.js";
import { signedBy } from "./proof.js";
import { canonical, MAX_BYTES, Unreadable } from "./strict.js";

/** Well written, but it does not hold: a signature, a proof or a name is wrong. The message is a sentence. */
export class LogRefused extends Error {}

/** The kind of key that signs the text of a note: the log's own. */
export const NOTE_KEY = 0x01;
/** The kind of key that signs the text and a time: a witness's. */
export const COSIGNATURE = 0x04;
const MOST_HASHES = 63;
const MOST_SIGNATURES = 100;
const LATEST = Date.UTC(2999, 11, 31) / 1000;
const HEADER = "c2sp.org/tlog-proof@v1";
const DASH = "\u2014 ";
// No space of any script, as Python's re sees them (JavaScript would add U+FEFF), and no plus.
const SIGN = "[^ \\n\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000+]";
const NAME = new RegExp(`^${SIGN}{1,255}$`, "u");
const VKEY = new RegExp(`^(${SIGN}{1,255})\\+([0-9a-f]{8})\\+([A-Za-z0-9+/]{44})$`, "u");
const UNWANTED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/** The bytes that the log holds for a document of ours. */
export function leafData(kind, issuer, digest) {
  return canonical({ v: 1, kind, issuer, digestMultibase: digest });
}

/** Read a vkey: {name, kind, raw, id}. Rejects with Unreadable, also for a key not to be trusted. */
export async function readVkey(text) {
  const match = VKEY.exec(text);
  if (!match) throw new Unreadable("The verifier key is not written as name+id+key.");
  const [, name, id, material] = match;
  const bytes = base64(material, "verifier key", 33);
  if (bytes[0] !== NOTE_KEY && bytes[0] !== COSIGNATURE) {
    throw new Unreadable("The verifier key is of a kind that is not read here. Only Ed25519 is (1 and 4).");
  }
  const digest = await sha256(joined(encoded(`${name}\n`), bytes));
  if (hex(digest.subarray(0, 4)) !== id) throw new Unreadable("The verifier key has an id that is not its own.");
  const raw = bytes.slice(1);
  try {
    refuseUnsafePoint(raw);
  } catch (error) {
    throw new Unreadable(`The verifier key of ${name} is bad. ${error.message}`);
  }
  return { text, name, kind: bytes[0], raw, id };
}

/**
 * Check that an entry is in one of these logs, and find which of these witnesses saw it.
 *
 * `proof` are the bytes of a proof file, `leaf` the entry's data, `logs` and `witnesses` vkeys that were read. Gives
 * {index, size, origin, times}, `times` being when each witness that cosigned saw it (seconds), the earliest first.
 * Rejects with Unreadable or LogRefused.
 */
export async function checkLogProof(proof, leaf, logs, witnesses) {
  const text = readText(proof, "log proof");
  const gap = text.indexOf("\n\n");
  const lines = gap < 0 ? [] : text.slice(0, gap).split("\n");
  const noteText = gap < 0 ? "" : text.slice(gap + 2);
  if (!noteText || lines[0] !== HEADER || lines.length < 2 || !lines[1].startsWith("index ")) {
    throw new Unreadable(`The log proof is not written as ${HEADER}, index, hashes, an empty line and a checkpoint.`);
  }
  const index = wholeNumber(lines[1].slice("index ".length), "index in the log proof");
  const hashes = lines.slice(2);
  if (hashes.length > MOST_HASHES) {
    throw new Unreadable(`The log proof has ${hashes.length} hashes. No tree needs more than ${MOST_HASHES}.`);
  }
  const path = hashes.map((line, number) => base64(line, `hash ${number} of the log proof`, 32));

  const origin = noteText.split("\n")[0];
  const log = logs.find((key) => key.name === origin);
  if (!log) {
    // Told apart from a proof that is false: it may hold for somebody else.
    throw Object.assign(new LogRefused("The proof is of a log that the trust file does not name."), { origin });
  }
  const { checkpoint, times } = await openCheckpoint(noteText, log, witnesses);
  await checkInclusion(await sha256(joined(Uint8Array.of(0), leaf)), index, checkpoint.size, path, checkpoint.root);
  return { index, size: checkpoint.size, origin, times };
}

async function openCheckpoint(text, log, witnesses) {
  const note = readNote(text);
  const checkpoint = await readCheckpoint(note.text);
  if (checkpoint.origin !== log.name) throw new LogRefused(`The checkpoint is of another log than ${log.name}.`);
  if (log.kind !== NOTE_KEY) throw new LogRefused(`The key of ${log.name} is not for signing notes.`);
  const own = signatureOf(note, log);
  if (own === null) throw new LogRefused(`${log.name} did not sign it.`);
  await requireSignature(log, own, encoded(note.text));
  const times = [];
  for (const witness of new Map(witnesses.map((each) => [each.text, each])).values()) {
    const time = await cosignedAt(note, witness);
    if (time !== null) times.push(time);
  }
  return { checkpoint, times: times.sort((one, other) => one - other) };
}

function readNote(text) {
  const gap = text.lastIndexOf("\n\n");
  const tail = text.slice(gap + 2);
  if (gap <= 0 || !tail.endsWith("\n")) {
    throw new Unreadable("The note is not a text, an empty line and signature lines.");
  }
  const lines = tail.slice(0, -1).split("\n");
  if (lines.length > MOST_SIGNATURES) {
    throw new Unreadable(`The note has ${lines.length} signatures. More than ${MOST_SIGNATURES} are not read.`);
  }
  return { text: text.slice(0, gap + 1), signatures: lines.map(readSignature) };
}

function readSignature(line) {
  const parts = line.slice(DASH.length).split(" ");
  if (!line.startsWith(DASH) || parts.length !== 2 || !NAME.test(parts[0])) {
    throw new Unreadable("A signature line of the note is not written as: \u2014 name base64.");
  }
  const bytes = base64(parts[1], "signature line of the note");
  if (bytes.length < 5) throw new Unreadable("A signature line of the note holds no signature.");
  return { name: parts[0], id: hex(bytes.subarray(0, 4)), value: bytes.slice(4) };
}

async function readCheckpoint(text) {
  const lines = text.split("\n");
  if (lines.length !== 4 || lines[3] !== "") {
    throw new Unreadable("The checkpoint is not three lines: origin, size and root.");
  }
  if (!NAME.test(lines[0])) {
    throw new Unreadable("The checkpoint has an origin with a space or a plus in it, or none.");
  }
  const size = wholeNumber(lines[1], "size in the checkpoint");
  const root = base64(lines[2], "root in the checkpoint", 32);
  if (size === 0 && hex(root) !== hex(await sha256(new Uint8Array()))) {
    throw new Unreadable("The checkpoint gives an empty log a root that it cannot have.");
  }
  return { origin: lines[0], size, root };
}

function signatureOf(note, key) {
  const found = note.signatures.filter((each) => each.name === key.name && each.id === key.id);
  if (found.length > 1) throw new LogRefused(`${key.name} signed the note twice.`);
  return found.length ? found[0].value : null;
}

async function cosignedAt(note, witness) {
  if (witness.kind !== COSIGNATURE) throw new LogRefused(`The key of ${witness.name} is not for witnesses.`);
  const value = signatureOf(note, witness);
  if (value === null) return null;
  const time = value.subarray(0, 8).reduce((sum, byte) => sum * 256 + byte, 0);
  if (value.length !== 72 || time <= 0 || time > LATEST) {
    throw new LogRefused(`The line of the witness ${witness.name} is no time and signature.`);
  }
  await requireSignature(witness, value.slice(8), encoded(`cosignature/v1\ntime ${time}\n${note.text}`));
  return time;
}

async function requireSignature(key, signature, message) {
  if (signature.length !== 64 || !(await signedBy(key.raw, signature, message))) {
    throw new LogRefused(`The signature of ${key.name} does not fit: something was changed.`);
  }
}

// RFC 9162, section 2.1.3.2. The numbers of entries go up to 2^53, so they are not shifted as 32 bits.
async function checkInclusion(leaf, index, size, path, root) {
  if (index >= size) throw new LogRefused(`The log has ${size} entries, so it has no entry ${index}.`);
  const half = (number) => Math.floor(number / 2);
  let [number, last, hash] = [index, size - 1, leaf];
  for (const neighbour of path) {
    if (last === 0) throw new LogRefused("The proof of the entry is longer than the tree is high.");
    const left = number % 2 === 1 || number === last;
    hash = await sha256(left ? joined(Uint8Array.of(1), neighbour, hash) : joined(Uint8Array.of(1), hash, neighbour));
    if (left) for (; number % 2 === 0 && number > 0; last = half(last)) number = half(number);
    [number, last] = [half(number), half(last)];
  }
  if (last !== 0) throw new LogRefused("The proof of the entry is shorter than the tree is high.");
  if (hex(hash) !== hex(root)) throw new LogRefused("The proof does not lead from the entry to the root of the log.");
}

function readText(bytes, what) {
  if (bytes.length > MAX_BYTES) {
    throw new Unreadable(`The ${what} has ${bytes.length} bytes. More than ${MAX_BYTES} are not read.`);
  }
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Unreadable(`The ${what} is not UTF-8: a byte in it cannot be read.`);
  }
  if (UNWANTED.test(text)) throw new Unreadable(`The ${what} has a control character.`);
  return text;
}

function wholeNumber(text, what) {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw new Unreadable(`The ${what} is not a whole number without leading zeros.`);
  }
  return Number(text);
}

function base64(text, what, size) {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw new Unreadable(`The ${what} is not base64.`);
  }
  const binary = atob(text);
  // The decoder lets stray bits pass; the encoder writes none.
  if (btoa(binary) !== text) throw new Unreadable(`The ${what} is base64 in another than its one spelling.`);
  if (size !== undefined && binary.length !== size) {
    throw new Unreadable(`The ${what} has ${binary.length} bytes instead of ${size}.`);
  }
  return Uint8Array.from(binary, (sign) => sign.charCodeAt(0));
}

const encoded = (text) => new TextEncoder().encode(text);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
