// The files of a certificate as people bring them to a page: a .zip, or what lies in a folder.

import { bundleOfFiles, bundleOfZip, MAX_ARCHIVE_BYTES } from "./bundle.js";
import { MOST_FILES } from "./dropping.js";
import { Unreadable } from "./strict.js";
import { CERTIFICATE_FILE } from "./vocabulary.js";

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
