// A certificate bundle: a .zip, or the files of its folder (wipe_agent/certificate/bundle.py).
//
// Reading is bounded before anything is believed: only known names are opened, each up to its limit, and a .zip is
// inflated no further than that. Nothing is parsed here.

import { crc32, inflatedWhole, TooMuch } from "./inflate.js";
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
  return fromArchive(bytes);
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
      .filter(({ name }) => `/${name}`.endsWith(`/${CERTIFICATE_FILE}`))
      .map(({ name }) => name.slice(0, -CERTIFICATE_FILE.length))
  );
  if (folders.size > 1) throw new Unreadable("The .zip has more than one certificate.");
  return [...folders][0] ?? "";
}

// The one reading of a .zip (wipe_agent/certificate/archive.py; PKWARE APPNOTE, 4.3.16, 4.3.12 and 4.3.7).
//
// A .zip says most things twice. Where the two do not agree, readers choose, and one archive shows two certificates.
// So only what can be read in one way is taken: the directory ends where the end record begins, which is the end of
// the file; no comment of the whole, no Zip64; names and sizes as they are said at both places.
const END = 22;
const ENTRY = 46;
const LOCAL = 30;
const [STORED, DEFLATED] = [0, 8];
const ENCRYPTED = 0x2041; // by itself, strongly, or the directory as well
const PATCHED = 0x0020;
const SIZES_FOLLOW = 0x0008; // written in one go: then the sizes before the file are zeros

const damaged = () =>
  new Unreadable("The .zip is damaged, or can be read in two ways. Download it again, or pack it anew.");

function directory(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length - END;
  if (end < 0 || view.getUint32(end, true) !== 0x06054b50) {
    throw new Unreadable("This is neither a folder nor a readable .zip.");
  }
  const [disk, firstDisk, here, count] = [4, 6, 8, 10].map((place) => view.getUint16(end + place, true));
  const length = view.getUint32(end + 12, true);
  let at = view.getUint32(end + 16, true);
  if (disk || firstDisk || here !== count || view.getUint16(end + 20, true) || at + length !== end) throw damaged();
  if (end >= 20 && view.getUint32(end - 20, true) === 0x07064b50) throw damaged();
  const entries = [];
  for (let left = count; left > 0; left -= 1) {
    if (at + ENTRY > end || view.getUint32(at, true) !== 0x02014b50) throw damaged();
    const [nameLength, extra, note] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    const rawName = bytes.subarray(at + ENTRY, at + ENTRY + nameLength);
    const entry = {
      name: text(rawName),
      rawName,
      flags: view.getUint16(at + 8, true),
      method: view.getUint16(at + 10, true),
      sizes: [16, 20, 24].map((place) => view.getUint32(at + place, true)), // checksum, packed, unpacked
      start: view.getUint32(at + 42, true),
    };
    at += ENTRY + nameLength + extra + note;
    // A name ends for some readers where it has a NUL, and for others it does not.
    if (at > end || nameLength === 0 || rawName.includes(0)) throw damaged();
    entries.push(entry);
  }
  if (at !== end) throw damaged();
  return entries;
}

async function content(bytes, entry, name) {
  if (entry.flags & ENCRYPTED) throw new Unreadable(`${name} is encrypted. Use an ordinary .zip.`);
  if ((entry.method !== STORED && entry.method !== DEFLATED) || entry.flags & PATCHED) {
    throw new Unreadable(`${name} is packed by an unusual method. Use an ordinary .zip.`);
  }
  if (entry.start + LOCAL > bytes.length) throw damaged();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [flags, method, nameLength, extra] = [6, 8, 26, 28].map((place) => view.getUint16(entry.start + place, true));
  const sizes = [14, 18, 22].map((place) => view.getUint32(entry.start + place, true));
  if (view.getUint32(entry.start, true) !== 0x04034b50 || method !== entry.method) throw damaged();
  if (!(flags & SIZES_FOLLOW) && sizes.some((size, place) => size !== entry.sizes[place])) throw damaged();
  let start = entry.start + LOCAL;
  const rawName = bytes.subarray(start, start + nameLength);
  if (rawName.length !== entry.rawName.length || rawName.some((byte, place) => byte !== entry.rawName[place])) {
    throw new Unreadable(`The .zip calls the file ${named(name)} by two names.`);
  }
  start += nameLength + extra;
  const [checksum, packedSize, size] = entry.sizes;
  const packed = bytes.subarray(start, start + packedSize);
  if (packed.length !== packedSize) throw damaged();
  const found = entry.method === STORED ? packed : await unpacked(packed, name);
  if (found.length > LIMITS.get(name)) throw tooLarge(name);
  if (found.length !== size || crc32(found) !== checksum) throw damaged();
  return found;
}

async function unpacked(packed, name) {
  try {
    return await inflatedWhole(packed, LIMITS.get(name));
  } catch (error) {
    throw error instanceof TooMuch ? tooLarge(name) : damaged();
  }
}

const text = (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
