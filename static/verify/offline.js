// The check as a file of its own: chosen or dropped files, the trust file that is in it or another, no network.

import { droppedFiles } from "./dropping.js";
import { missingCryptography } from "./proof.js";
import { bundleOf, bytesOf } from "./picking.js";
import { Unreadable } from "./strict.js";
import { element, told, toldUnreadable, toldUntrusting } from "./telling.js";
import { fingerprint, readTrust } from "./trust.js";
import { verify } from "./verify.js";

const words = JSON.parse(document.getElementById("verify-words").textContent);
const kept = document.getElementById("trust-kept").textContent.trim();
const result = document.getElementById("result");
const input = document.getElementById("bundle");
const trustInput = document.getElementById("trust-file");
const trustSaid = document.getElementById("trust-said");
const trustRemove = document.getElementById("trust-remove");
const title = document.title;

const keptBytes = Uint8Array.from(atob(kept), (sign) => sign.charCodeAt(0));
let trustBytes = keptBytes;
let trustProblem = null; // why the chosen trust file cannot be used: then nothing is checked
let files = [];
let turn = 0; // an answer that another check has overtaken is not shown

async function check() {
  if (!files.length) return;
  const mine = ++turn;
  result.replaceChildren(element("p", { class: "lead" }, "Checking…"));
  const answered = await answer();
  if (mine !== turn) return;
  result.replaceChildren(...answered);
  const heading = result.querySelector("h1");
  document.title = heading ? `${heading.textContent} - ${title}` : title;
  heading?.focus();
}

async function answer() {
  const missing = await missingCryptography();
  if (missing !== null) return [element("p", { class: "strong" }, missing)];
  if (trustProblem !== null) return toldUntrusting(trustProblem, words, "");
  try {
    const trust = await readTrust(trustBytes);
    const report = await verify(await bundleOf(files), trust, Math.floor(Date.now() / 1000), trust.training);
    return told(report, words, "");
  } catch (error) {
    const reason = error instanceof Unreadable ? error.message : "These files cannot be read. Choose them again.";
    return toldUnreadable(reason, words, "");
  }
}

async function nameTrust(whose) {
  trustSaid.textContent = `${whose} Its fingerprint: ${await fingerprint(trustBytes)}`;
}

async function goByKept() {
  trustBytes = keptBytes;
  trustProblem = null;
  trustInput.value = "";
  trustRemove.hidden = true;
  await nameTrust("This check goes by the trust file that came with it.");
}

input.addEventListener("change", () => {
  files = Array.from(input.files);
  check();
});
// Dropped beside the box it counts too: else the browser would open the file, and this page would be gone.
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  files = await droppedFiles(event.dataTransfer).catch(() => []);
  if (files.length) check();
  else result.replaceChildren(element("p", { class: "strong" }, "No file was in what you dropped. Choose the .zip instead."));
});
trustInput.addEventListener("change", async () => {
  const [file] = trustInput.files;
  if (!file) {
    await goByKept();
    check();
    return;
  }
  trustRemove.hidden = false;
  try {
    const bytes = await bytesOf(file);
    await readTrust(bytes);
    trustBytes = bytes;
    trustProblem = null;
    await nameTrust("This check goes by the trust file that you chose.");
  } catch (error) {
    trustProblem = error instanceof Unreadable ? error.message : "This file cannot be read.";
    trustSaid.textContent = `${words.kinds.untrusting.headline} ${words.anotherTrust}`;
  }
  check();
});
trustRemove.addEventListener("click", async () => {
  await goByKept();
  trustInput.focus();
  check();
});
const hint = document.querySelector("[data-drop-hint]");
if (matchMedia("(hover: hover) and (pointer: fine)").matches) hint.hidden = false;
nameTrust("This check goes by the trust file that came with it.");
