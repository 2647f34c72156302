// What was dropped onto a page. It needs no other module: a browser shows what was dropped only while it says so, and
// whoever first waits for something to load finds nothing any more.

export const MOST_FILES = 64;

/** The files in what was dropped; of a folder, those that lie directly in it. To be called as the drop is told. */
export async function droppedFiles(transfer) {
  const entries = Array.from(transfer.items ?? [], (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const folder = entries.length === 1 && entries[0].isDirectory ? entries[0] : null;
  if (!folder) return Array.from(transfer.files);
  const reader = folder.createReader();
  const found = await new Promise((fine, bad) => reader.readEntries(fine, bad));
  const plain = found.filter((entry) => entry.isFile).slice(0, MOST_FILES + 1);
  return Promise.all(plain.map((entry) => new Promise((fine, bad) => entry.file(fine, bad))));
}
