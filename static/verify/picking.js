// The files of a certificate as people bring them to a page: chosen or dropped, a .zip or a folder.

import { bundleOfFiles, bundleOfZip, MAX_ARCHIVE_BYTES } from "./bundle.js";
import { Unreadable } from "./strict.js";
import { CERTIFICATE_FILE } from "./vocabulary.js";

const MOST_FILES = 64;

/** The bundle in a list of File: one .zip, or the files of a folder. Rejects with Unreadable. */
export async function bundleOf(files) {
  if (files.length > MOST_FILES) throw new Unreadable(`These are ${files.length} files. A bundle has a handful.`);
  if (files.reduce((sum, file) => sum + file.size, 0) > MAX_ARCHIVE_BYTES) {
    throw new Unreadable("This is larger than one megabyte, so it is no certificate bundle.");
  }
  const entries = await Promise.all(files.map(async (file) => [file.name, await bytesOf(file)]));
  if (entries.length === 1 && entries[0][0] !== CERTIFICATE_FILE) return bundleOfZip(entries[0][1]);
  return bundleOfFiles(entries);
}

/** The bytes of a File. */
export async function bytesOf(file) {
  return new Uint8Array(await file.arrayBuffer());
}

/** The files in what was dropped; of a folder, those that lie directly in it. */
export async function droppedFiles(transfer) {
  const entries = Array.from(transfer.items ?? [], (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const folder = entries.length === 1 && entries[0].isDirectory ? entries[0] : null;
  if (!folder) return Array.from(transfer.files);
  const reader = folder.createReader();
  const found = await new Promise((fine, bad) => reader.readEntries(fine, bad));
  const plain = found.filter((entry) => entry.isFile).slice(0, MOST_FILES + 1);
  return Promise.all(plain.map((entry) => new Promise((fine, bad) => entry.file(fine, bad))));
}
