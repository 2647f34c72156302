// The pinned trust file: whose accreditations and work orders count (wipe_agent/certificate/trust.py).
//
// A centre is not in it. A centre's keys count through an accreditation that a trusted accreditor signed. Documents
// inside a bundle are never a source of trust.

import { COSIGNATURE, NOTE_KEY, readVkey } from "./log.js";
import { publicKey, sha256 } from "./multibase.js";
import { misshapen } from "./shape.js";
import { TRUST } from "./shapes.js";
import { read, Unreadable } from "./strict.js";
import { CLOCK_TOLERANCE, seconds, when } from "./times.js";

/** A short name of a trust file, to compare by voice: the first 32 hex digits of its SHA-256, in groups of four. */
export async function fingerprint(bytes) {
  const digits = Array.from(await sha256(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.slice(0, 32).match(/.{4}/g).join(" ");
}

/** Read a trust file. Rejects with Unreadable, also for a key that must not be trusted. */
export async function readTrust(bytes) {
  const document = read(bytes, "trust file");
  const problem = TRUST(document);
  if (problem !== null) throw new Unreadable(misshapen("trust file", problem));
  const names = new Map();
  const roles = new Set();
  const keys = new Map();
  const ends = new Map();
  const keyEnds = new Map();
  for (const party of document.parties) {
    const { id, verificationMethod, assertionMethod } = party.didDocument;
    if (names.has(id)) throw new Unreadable(`The trust file lists ${id} twice.`);
    names.set(id, party.name);
    if (party.until !== undefined) ends.set(id, seconds(party.until));
    for (const end of party.keyEnds ?? []) {
      const since = end.compromisedSince === undefined ? null : seconds(end.compromisedSince);
      keyEnds.set(end.id, { until: seconds(end.until), compromisedSince: since });
    }
    for (const method of verificationMethod.filter((each) => assertionMethod.includes(each.id))) {
      let key;
      try {
        key = publicKey(method.publicKeyMultibase);
      } catch (error) {
        throw new Unreadable(`The trust file has a bad key, ${method.id}. ${error.message}`);
      }
      for (const role of party.roles) keys.set(`${role} ${method.id}`, key);
    }
    for (const role of party.roles) roles.add(`${role} ${id}`);
  }
  const logs = await verifierKeys(document.logs ?? [], NOTE_KEY, "log");
  const witnesses = await verifierKeys(document.witnesses ?? [], COSIGNATURE, "witness");
  // A witness is counted by its key: under two names it is still one.
  for (const [what, listed] of [
    ["log", (document.logs ?? []).map((log) => log.origin)],
    ["witness", witnesses.map((witness) => witness.raw.join())],
  ]) {
    if (new Set(listed).size !== listed.length) throw new Unreadable(`The trust file lists a ${what} twice.`);
  }
  const own = new Set(logs.map((log) => log.raw.join()));
  if (witnesses.some((witness) => own.has(witness.raw.join()))) {
    throw new Unreadable("The trust file lists a log as a witness of itself.");
  }
  if (logs.some((log, place) => log.name !== document.logs[place].origin)) {
    throw new Unreadable("The trust file has a log whose key goes by another name than the log's origin.");
  }
  return {
    logs,
    witnesses,
    witnessesNeeded: document.witnessesNeeded ?? 0,
    training: document.training,
    name: (id) => names.get(id),
    /** Whether this party is trusted in this role. */
    knows: (id, role) => roles.has(`${role} ${id}`),
    /** The moment at which this accreditor ended; null for one that still counts. */
    until: (id) => ends.get(id) ?? null,
    /** The key of a verification method (DID#name), if its owner is trusted in this role. */
    key: (method, role) => keys.get(`${role} ${method}`) ?? null,
    /** The end of the key of a verification method, {until, compromisedSince}; null for one that still counts. */
    keyEnd: (method) => keyEnds.get(method) ?? null,
    /** Why that key could sign nothing at that time, as the end of a sentence; null where it could. */
    signedTooLate: (method, signed) => {
      const end = keyEnds.get(method);
      if (end === undefined || signed - CLOCK_TOLERANCE <= end.until) return null;
      return `the key ${method}, which ended ${when(end.until)}, before that was signed (${when(signed)})`;
    },
  };
}

async function verifierKeys(listed, kind, what) {
  const keys = [];
  for (const { vkey, name } of listed) {
    const key = await readVkey(vkey);
    if (key.kind !== kind) {
      throw new Unreadable(`The trust file lists the key of ${name} as a ${what}, which is for something else.`);
    }
    keys.push(key);
  }
  return keys;
}
