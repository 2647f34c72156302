// Status lists (W3C Bitstring Status List 1.0) with the dates and reasons of ours (wipe_agent/certificate/status.py).

import { crc32, inflatedWhole, TooMuch } from "./inflate.js";
import { Unreadable } from "./strict.js";
import { seconds } from "./times.js";

const PLACES = 131_072; // the least that W3C admits
const MOST_PLACES = 1_048_576;
/** How long a list counts as fresh, in seconds, whatever it says of itself. */
export const FRESH = 7 * 24 * 3600;

/** The values of a status list whose shape has been checked. Rejects with Unreadable where it contradicts itself. */
export async function readStatusList(document) {
  const { wipe } = document;
  const bits = await decoded(document.credentialSubject.encodedList);
  const withdrawn = new Map(
    wipe.revocations.map((one) => [
      Number(one.statusListIndex),
      { at: seconds(one.at), reason: one.reason, compromisedSince: maybe(one) },
    ])
  );
  const list = {
    validFrom: seconds(document.validFrom),
    validUntil: seconds(document.validUntil),
    training: wipe.training,
    withdrawn,
    keys: wipe.revokedKeys.map((one) => ({
      publicKey: one.publicKeyMultibase,
      at: seconds(one.at),
      reason: one.reason,
      compromisedSince: maybe(one),
    })),
    /** Whether the credential at this place was withdrawn. Throws Unreadable for a place that the list lacks. */
    isSet(index) {
      if (index >= 8 * bits.length) {
        throw new Unreadable(`The status list has ${8 * bits.length} places, and none with the number ${index}.`);
      }
      return (bits[index >> 3] & (0x80 >> (index & 7))) !== 0;
    },
  };
  if (withdrawn.size !== wipe.revocations.length) throw new Unreadable("The status list tells of one place twice.");
  for (const index of withdrawn.keys()) {
    if (!list.isSet(index)) throw new Unreadable("The status list tells why a place was set that is not set.");
  }
  if (list.validUntil <= list.validFrom || list.validUntil > list.validFrom + FRESH) {
    throw new Unreadable("The status list says that it is fresh for another time than 7 days at most.");
  }
  return list;
}

const maybe = (one) => (one.compromisedSince === undefined ? null : seconds(one.compromisedSince));

/** What a list says of a key (in multibase), or null. Where it says several things, what reaches back furthest counts. */
export function fallen(list, publicKey) {
  const said = list.keys.filter((key) => key.publicKey === publicKey);
  const stolen = said.filter((key) => key.compromisedSince !== null);
  const earliest = (keys, when) => keys.reduce((least, key) => (when(key) < when(least) ? key : least));
  if (stolen.length) return earliest(stolen, (key) => key.compromisedSince);
  return said.length ? earliest(said, (key) => key.at) : null;
}

async function decoded(text) {
  if (!/^u[A-Za-z0-9_-]+$/.test(text)) {
    throw new Unreadable("The status list is not written as u and base64url without padding.");
  }
  const packed = base64url(text.slice(1));
  if (packed === null) throw new Unreadable("The status list is not base64url.");
  if (packed === undefined) throw new Unreadable("The status list has stray bits at its end.");
  const bits = await gunzipped(packed);
  if (8 * bits.length < PLACES) {
    throw new Unreadable(`The status list has ${8 * bits.length} places. At least ${PLACES} are asked for.`);
  }
  return bits;
}

/** The bytes of base64url without padding; null where it is none, undefined where it is not in its one spelling. */
export function base64url(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null;
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const again = btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return again === text ? Uint8Array.from(binary, (sign) => sign.charCodeAt(0)) : undefined;
}

// The GZIP format (RFC 1952), one member and nothing after it. The header and the end are read here, because browsers
// do not agree on what may follow.
async function gunzipped(packed) {
  const broken = new Unreadable("The status list is not packed with GZIP.");
  const cut = new Unreadable("The status list is cut off, or something follows it.");
  if (packed[0] !== 0x1f || packed[1] !== 0x8b || packed[2] !== 8 || packed[3] & 0xe0) throw broken;
  const [checksum, more, name, comment] = [2, 4, 8, 16].map((flag) => (packed[3] & flag) !== 0);
  let at = 10;
  if (more) at += 2 + packed[at] + 256 * packed[at + 1];
  for (const each of [name, comment]) if (each) at = packed.indexOf(0, at) + 1 || packed.length;
  if (checksum) {
    const told = (packed[at + 1] << 8) | packed[at];
    if (told !== (crc32(packed.subarray(0, at)) & 0xffff)) throw broken;
    at += 2;
  }
  if (!(at + 8 < packed.length)) throw cut;
  const body = packed.subarray(at, -8);
  let bits;
  try {
    bits = await inflatedWhole(body, MOST_PLACES / 8);
  } catch (error) {
    if (error instanceof TooMuch) {
      throw new Unreadable(`The status list has more than ${MOST_PLACES} places. It is not read.`);
    }
    throw cut;
  }
  const end = new DataView(packed.buffer, packed.byteOffset + packed.length - 8, 8);
  if (end.getUint32(0, true) !== crc32(bits) || end.getUint32(4, true) !== bits.length) throw cut;
  return bits;
}
