// The pinned trust file: whose accreditations and work orders count (wipe_agent/certificate/trust.py).
//
// A centre is not in it. A centre's keys count through an accreditation that a trusted accreditor signed. Documents
// inside a bundle are never a source of trust.

import { publicKey, sha256 } from "./multibase.js";
import { misshapen } from "./shape.js";
import { TRUST } from "./shapes.js";
import { read, Unreadable } from "./strict.js";

/** A short name of a trust file, to compare by voice: the first 32 hex digits of its SHA-256, in groups of four. */
export async function fingerprint(bytes) {
  const digits = Array.from(await sha256(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.slice(0, 32).match(/.{4}/g).join(" ");
}

/** Read a trust file. Throws Unreadable, also for a key that must not be trusted. */
export function readTrust(bytes) {
  const document = read(bytes, "trust file");
  const problem = TRUST(document);
  if (problem !== null) throw new Unreadable(misshapen("trust file", problem));
  const names = new Map();
  const roles = new Set();
  const keys = new Map();
  for (const party of document.parties) {
    const { id, verificationMethod, assertionMethod } = party.didDocument;
    if (names.has(id)) throw new Unreadable(`The trust file lists ${id} twice.`);
    names.set(id, party.name);
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
  const { logs = [], witnesses = [], witnessesNeeded = 0 } = document;
  for (const [what, listed] of [
    ["log", logs.map((log) => log.origin)],
    ["witness", witnesses.map((witness) => witness.vkey)],
  ]) {
    if (new Set(listed).size !== listed.length) throw new Unreadable(`The trust file lists a ${what} twice.`);
  }
  return {
    logs,
    witnesses,
    witnessesNeeded,
    training: document.training,
    name: (id) => names.get(id),
    /** Whether this party is trusted in this role. */
    knows: (id, role) => roles.has(`${role} ${id}`),
    /** The key of a verification method (DID#name), if its owner is trusted in this role. */
    key: (method, role) => keys.get(`${role} ${method}`) ?? null,
  };
}
