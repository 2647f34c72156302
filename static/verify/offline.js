// The check as a file of its own: chosen or dropped files, the trust file that is in it or another, no network.

import { missingCryptography } from "./proof.js";
import { bundleOf, bytesOf, droppedFiles } from "./picking.js";
import { Unreadable } from "./strict.js";
import { element, told, toldUnreadable } from "./telling.js";
import { fingerprint, readTrust } from "./trust.js";
import { verify } from "./verify.js";

const words = JSON.parse(document.getElementById("verify-words").textContent);
const kept = document.getElementById("trust-kept").textContent.trim();
const result = document.getElementById("result");
const input = document.getElementById("bundle");
const drop = document.getElementById("drop");
const trustInput = document.getElementById("trust-file");
const trustSaid = document.getElementById("trust-said");

let trustBytes = Uint8Array.from(atob(kept), (sign) => sign.charCodeAt(0));
let files = [];

async function check() {
  if (!files.length) return;
  result.replaceChildren(element("p", { class: "lead" }, "Checking…"));
  const missing = await missingCryptography();
  if (missing !== null) {
    result.replaceChildren(element("p", { class: "strong" }, missing));
    return;
  }
  try {
    const trust = await readTrust(trustBytes);
    const report = await verify(await bundleOf(files), trust, Math.floor(Date.now() / 1000), trust.training);
    result.replaceChildren(...told(report, words, ""));
  } catch (error) {
    const sentence = error instanceof Unreadable ? error.message : "These files cannot be read. Choose them again.";
    result.replaceChildren(...toldUnreadable(sentence, words, ""));
  }
  result.focus();
}

async function nameTrust(whose) {
  trustSaid.textContent = `${whose} Its fingerprint: ${await fingerprint(trustBytes)}`;
}

input.addEventListener("change", () => {
  files = Array.from(input.files);
  check();
});
for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => event.preventDefault());
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  files = await droppedFiles(event.dataTransfer);
  check();
});
trustInput.addEventListener("change", async () => {
  const [file] = trustInput.files;
  if (!file) return;
  try {
    const bytes = await bytesOf(file);
    await readTrust(bytes);
    trustBytes = bytes;
    await nameTrust("This check goes by the trust file that you chose.");
  } catch (error) {
    trustSaid.textContent = error instanceof Unreadable ? error.message : "This trust file cannot be read.";
    return;
  }
  check();
});
nameTrust("This check goes by the trust file that came with it.");
