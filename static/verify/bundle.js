// A certificate bundle: a .zip, or the files of its folder (wipe_agent/certificate/bundle.py).
//
// Reading is bounded before anything is believed: only known names are opened, each up to its limit, and a .zip is
// inflated no further than that. Nothing is parsed here.

import { crc32, inflated, TooMuch } from "./inflate.js";
import { named } from "./shape.js";
import { MAX_BYTES, Unreadable } from "./strict.js";
import {
  ACCREDITATION_FILE,
  ACCREDITATION_STATUS_FILE,
  CERTIFICATE_FILE,
  DIDS_FILE,
  JWT_FILE,
  LOG_PROOF_FILE,
  STATUS_FILE,
  WORK_ORDER_FILE,
} from "./vocabulary.js";

/** The file names of a bundle and the most bytes each may have. Others are ignored. */
const LIMITS = new Map([
  [CERTIFICATE_FILE, MAX_BYTES],
  [ACCREDITATION_FILE, MAX_BYTES],
  [WORK_ORDER_FILE, MAX_BYTES],
  [DIDS_FILE, MAX_BYTES],
  [LOG_PROOF_FILE, MAX_BYTES],
  [STATUS_FILE, MAX_BYTES],
  [ACCREDITATION_STATUS_FILE, MAX_BYTES],
  [JWT_FILE, 2 * MAX_BYTES],
]);
export const MAX_ARCHIVE_BYTES = 1_048_576;
const MAX_ENTRIES = 64;

/** A bundle from [name, bytes] pairs. Throws Unreadable. Gives {files: Map, ignored: [names]}. */
export function bundleOfFiles(entries) {
  if (entries.length > MAX_ENTRIES) {
    throw new Unreadable(`The bundle has ${entries.length} files. More than ${MAX_ENTRIES} are not read.`);
  }
  const files = new Map();
  const ignored = [];
  for (const [name, bytes] of entries) {
    if (!LIMITS.has(name)) ignored.push(name);
    else if (files.has(name)) throw new Unreadable(`There are two files with the name ${name}.`);
    else if (bytes.length > LIMITS.get(name)) throw tooLarge(name);
    else files.set(name, bytes);
  }
  return checked(files, ignored);
}

/** A bundle from the bytes of a .zip. Rejects with Unreadable. */
export async function bundleOfZip(bytes) {
  if (bytes.length > MAX_ARCHIVE_BYTES) {
    throw new Unreadable(`The .zip has more than ${MAX_ARCHIVE_BYTES} bytes. It is not read.`);
  }
  try {
    return await fromArchive(bytes);
  } catch (error) {
    // A place beyond the end is a RangeError, damaged packing a TypeError: their words are no help to people.
    if (error instanceof Unreadable) throw error;
    throw new Unreadable("This is neither a folder nor a readable .zip.");
  }
}

function checked(files, ignored) {
  if (!files.has(CERTIFICATE_FILE)) {
    throw new Unreadable(`There is no ${CERTIFICATE_FILE}. Is this a certificate bundle?`);
  }
  return { files, ignored: ignored.sort() };
}

function tooLarge(name) {
  return new Unreadable(`${name} has more than ${LIMITS.get(name)} bytes. It is not read.`);
}

async function fromArchive(bytes) {
  const entries = directory(bytes).filter((entry) => !entry.name.endsWith("/"));
  if (entries.length > MAX_ENTRIES) {
    throw new Unreadable(`The .zip has ${entries.length} files. More than ${MAX_ENTRIES} are not read.`);
  }
  const folder = folderOf(entries);
  const files = new Map();
  const ignored = [];
  for (const entry of entries) {
    const name = entry.name.startsWith(folder) ? entry.name.slice(folder.length) : entry.name;
    if (!LIMITS.has(name)) {
      ignored.push(entry.name);
      continue;
    }
    if (files.has(name)) throw new Unreadable(`The .zip has ${name} twice.`);
    files.set(name, await content(bytes, entry, name));
  }
  return checked(files, ignored);
}

// A bundle may be zipped with its folder: then that one folder's name comes before the files'.
function folderOf(entries) {
  const folders = new Set(
    entries
      .map((entry) => [entry.name.slice(0, entry.name.lastIndexOf("/") + 1), entry.name])
      .filter(([folder, name]) => name === folder + CERTIFICATE_FILE)
      .map(([folder]) => folder)
  );
  if (folders.size > 1) throw new Unreadable("The .zip has more than one certificate.");
  return [...folders][0] ?? "";
}

// The list of files at the end of a .zip: it alone says what is in it (PKWARE APPNOTE, 4.3.12 and 4.3.16).
function directory(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && end >= bytes.length - 22 - 65_535 && view.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0 || view.getUint32(end, true) !== 0x06054b50) {
    throw new Unreadable("This is neither a folder nor a readable .zip.");
  }
  const entries = [];
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left -= 1) {
    if (view.getUint32(at, true) !== 0x02014b50) throw new Unreadable("The .zip is damaged. Download it again.");
    const [nameLength, extra, comment] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    entries.push({
      flags: view.getUint16(at + 8, true),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      start: view.getUint32(at + 42, true),
      name: text(bytes.subarray(at + 46, at + 46 + nameLength)),
    });
    at += 46 + nameLength + extra + comment;
  }
  return entries;
}

async function content(bytes, entry, name) {
  if (entry.flags & 1) throw new Unreadable(`${name} is encrypted. Use an ordinary .zip.`);
  if (entry.method !== 0 && entry.method !== 8) {
    throw new Unreadable(`${name} is packed by an unusual method. Use an ordinary .zip.`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(entry.start, true) !== 0x04034b50) throw new Unreadable("The .zip is damaged. Download it again.");
  const nameLength = view.getUint16(entry.start + 26, true);
  const start = entry.start + 30 + nameLength + view.getUint16(entry.start + 28, true);
  // Two readers could take the one name or the other.
  if (text(bytes.subarray(entry.start + 30, entry.start + 30 + nameLength)) !== entry.name) {
    throw new Unreadable(`The .zip calls the file ${named(name)} by two names.`);
  }
  const packed = bytes.subarray(start, start + entry.packed);
  if (packed.length !== entry.packed) throw new Unreadable("The .zip is damaged. Download it again.");
  const limit = LIMITS.get(name);
  if (entry.method === 0 && packed.length > limit) throw tooLarge(name);
  let found = packed;
  if (entry.method === 8) {
    try {
      found = await inflated(packed, limit);
    } catch (error) {
      throw error instanceof TooMuch ? tooLarge(name) : new Unreadable("The .zip is damaged. Download it again.");
    }
  }
  if (crc32(found) !== entry.crc) throw new Unreadable("The .zip is damaged. Download it again.");
  return found;
}

const text = (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
