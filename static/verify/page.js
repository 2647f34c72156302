// The page /verify and the page of a certificate: the same check, made by the reader's browser beside that of the site.
//
// Without this script the forms work by themselves. The verifier is loaded only when there is something to check.

import { droppedFiles } from "./dropping.js";

const script = document.getElementById("verify-script");
const { icons, trust: trustAddress } = script.dataset;
const words = JSON.parse(script.dataset.words);

let modules = null;
const load = () =>
  (modules ??= Promise.all(
    ["verify", "trust", "picking", "telling", "proof", "strict", "bundle", "times"].map((name) => import(`./${name}.js`))
  ).then((all) => Object.assign({}, ...all)));

// The reader's own trust file: null, {bytes}, or {problem} where it cannot be used. A promise, as it takes a while to
// read, and nothing is to be checked by another one meanwhile.
let ownTrust = Promise.resolve(null);
let turn = 0; // an answer that another check has overtaken is not shown
const undo = []; // what takes back how the browser's answer changed the look of the questions
let last = null; // what was checked last, to check it anew under another trust file

const fetched = async (address) => {
  const answer = await fetch(address, { credentials: "same-origin" });
  if (!answer.ok) throw new Error("The site did not give the file.");
  return new Uint8Array(await answer.arrayBuffer());
};

const trustChoice = document.querySelector("[data-trust-choice]");

// ---- the check

/**
 * Check a bundle, given as a function that makes it. Gives {report} or {unreadable: sentence}, with the trust file's name
 * and whether it is the reader's own; {untrusting: sentence} where that one cannot be used: then nothing is checked.
 */
async function check(makeBundle) {
  const { missingCryptography, readTrust, fingerprint, verify, Unreadable } = await load();
  const missing = await missingCryptography();
  if (missing !== null) return { missing };
  const chosen = await ownTrust;
  const own = chosen !== null;
  if (chosen?.problem) return { untrusting: chosen.problem };
  const bytes = chosen?.bytes ?? (await fetched(trustAddress));
  const name = await fingerprint(bytes);
  try {
    const trust = await readTrust(bytes);
    // Training certificates are judged as such where the trust file is for training; they never prove anything.
    const report = await verify(await makeBundle(), trust, Math.floor(Date.now() / 1000), trust.training);
    return { report, name, own };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { unreadable: error.message, name, own };
  }
}

/** Put the browser's answer beside the site's: one band above the checks, one mark beside each. */
async function beside(box, makeBundle) {
  last = () => beside(box, makeBundle);
  const mine = ++turn;
  const { element, icon, groupCount, LEVELS, when } = await load();
  const band = (tone, symbol, title, ...lines) => {
    const text = element("div", {}, element("p", { class: "notice-title" }, title), ...lines);
    box.replaceChildren(element("div", { class: `notice tone-${tone}`, role: "status" }, icon(icons, symbol), text));
  };
  const line = (text) => element("p", {}, text);
  clearMarks();
  band("work", "hourglass", "Your browser is checking too");
  let found;
  try {
    found = await check(makeBundle);
    if (mine !== turn) return;
  } catch {
    if (mine !== turn) return;
    const text = "The files could not be fetched. Download the bundle, and check it as a file.";
    band("wait", "circle-alert", "Your browser could not check it", line(text));
    return;
  }
  if (found.missing) {
    band("wait", "circle-alert", "Your browser could not check it", line(found.missing));
    return;
  }
  if (found.untrusting) {
    band("wait", "circle-alert", words.kinds.untrusting.headline, line(words.anotherTrust), line(found.untrusting));
    inVerdict(element, words.kinds.untrusting.headline, "What your browser says");
    return;
  }
  const under = line(
    found.own
      ? `It went by the trust file that you chose, with the fingerprint ${found.name}.`
      : `It went by the trust file of this site, with the fingerprint ${found.name}.` +
          (trustChoice ? " To believe nobody here, choose a trust file of your own below." : "")
  );
  const whose = found.own ? "the trust file that you chose" : "the trust file of this site";
  const siteOk = box.dataset.ok === "yes";
  const siteFailed = box.dataset.failed;
  const failed = found.report?.failed?.name ?? (found.unreadable ? "readable" : "");
  const register = box.dataset.register; // "doubt", "revoked" or "refused", where our register alone knows
  const unseen = register !== "" && Boolean(found.report?.ok);
  const agrees = found.unreadable ? !siteOk : found.report.ok === siteOk && failed === siteFailed;
  if (unseen) {
    const { knownAt } = found.report;
    const list = knownAt === null ? "Your file has no list that tells. " : `The list in your file is of ${when(knownAt)}. `;
    const since = {
      doubt: `${list}Only our register tells that we are looking at it again.`,
      revoked: `${list}Our register says that it was revoked since.`,
      refused: "Only our register tells that we refused it.",
    }[register];
    band("work", "info", "Your browser cannot see this", line(since), line("All that it can check by itself holds."), under);
  } else if (agrees) {
    // Green stands beside what proves something, and beside nothing else.
    const tone = document.querySelector(".verdict.tone-safe") ? "safe" : "work";
    const same = siteOk
      ? "It made every check by itself, and comes to the same result."
      : "It made the checks by itself, and stops at the same place.";
    const text = register === "doubt" ? `${same} That we are still looking at it, the files do not show.` : same;
    band(tone, "monitor-check", "Your browser agrees", line(text), under);
  } else if (failed === "trust") {
    // Somebody may be listed no more, or not by the reader: that is for the reader's trust file to say, and no forgery.
    const advice = "Believe your trust file rather than us. Those who are listed change with time.";
    const title = "Your browser does not know who signed this";
    band("wait", "circle-alert", title, line(found.report.failed.text), line(advice), under);
    inVerdict(element, `${title}, by ${whose}.`, "See what changed");
  } else {
    const why = found.unreadable ?? found.report.failed?.text ?? "Every check holds there.";
    const advice = element("p", {}, "Believe your browser rather than us. ", element("a", { href: words.contact }, words.writeTo));
    const title = "Your browser does not agree with this site";
    band("bad", "triangle-alert", title, line(`Its answer: ${why}`), advice, under);
    inVerdict(element, `${title}, by ${whose}.`, "See what changed");
  }
  const levelOf = (name) => found.report?.checks.find((each) => each.name === name)?.level ?? "unreached";
  for (const place of document.querySelectorAll("[data-check]")) {
    const level = levelOf(place.dataset.check);
    const [look, symbol, label] = unseen && place.dataset.check === "status" ? LEVELS.unreached : LEVELS[level];
    const word = unseen && place.dataset.check === "status" ? "cannot see this" : label.toLowerCase();
    const text = element("span", {}, `Your browser: ${word}`);
    place.querySelector(".check-said").append(element("p", { class: `own-mark ${look}` }, icon(icons, symbol), text));
  }
  if (agrees || unseen) return;
  // A question that holds for the site alone is not shown as held.
  for (const group of document.querySelectorAll(".check-group")) {
    const checks = Array.from(group.querySelectorAll("[data-check]"), (place) => ({ level: levelOf(place.dataset.check) }));
    const failed = checks.some((check) => check.level === "fails");
    if (!failed && !checks.some((check) => check.level === "unreached")) continue;
    const own = element("span", { class: "own-mark" }, `Your browser: ${groupCount(checks)}`);
    group.querySelector(".check-count").append(own);
    const [, symbol, label] = LEVELS[failed ? "fails" : "unreached"];
    const before = { className: group.className, icon: group.querySelector("summary > .icon") };
    const instead = icon(icons, symbol, label);
    before.icon.replaceWith(instead);
    group.classList.remove("good", "wait", "bad");
    if (failed) group.classList.add("bad");
    group.open = group.open || failed;
    undo.push(() => {
      instead.replaceWith(before.icon);
      group.className = before.className;
    });
  }
}

// What the browser said before, of this or another trust file.
function clearMarks() {
  for (const step of undo.splice(0)) step();
  for (const mark of document.querySelectorAll(".own-mark, [data-own-verdict]")) mark.remove();
}

// What the browser finds otherwise stands on top, where the site's answer stands.
function inVerdict(element, text, label) {
  const link = element("a", { href: "#browser-check" }, label);
  const line = element("p", { class: "strong", "data-own-verdict": "" }, `${text} `, link);
  const verdict = document.querySelector(".verdict");
  verdict?.append(line);
  // Nothing stays green that the reader's own browser does not find.
  if (!verdict?.classList.replace("tone-safe", "tone-wait")) return;
  undo.push(() => verdict.classList.replace("tone-wait", "tone-safe"));
}

// ---- by file

const result = document.getElementById("result");
const form = document.getElementById("by-file");

function show(nodes) {
  result.replaceChildren(...nodes);
  if (result.hidden) {
    result.hidden = false;
    result.after(document.createElement("hr"));
    // The page is about this certificate now; what stands below is for the next one.
    const heading = document.createElement("h2");
    heading.textContent = "Check another";
    document.querySelector(".page-head > div").replaceChildren(heading);
  }
  const title = result.querySelector("h1");
  if (title) document.title = document.title.replace(/^.*( - )/, `${title.textContent}$1`);
  title?.focus({ preventScroll: true });
  result.scrollIntoView({ block: "start" });
}

async function checkHereAlone(makeBundle, note) {
  last = () => checkHereAlone(makeBundle, note);
  const mine = ++turn;
  const { element, told, toldUnreadable, toldUntrusting } = await load();
  const found = await check(makeBundle);
  if (mine !== turn) return;
  if (found.missing) {
    say(found.missing);
    return;
  }
  if (found.untrusting) {
    show(toldUntrusting(found.untrusting, words, icons));
    return;
  }
  const nodes = found.report ? told(found.report, words, icons) : toldUnreadable(found.unreadable, words, icons);
  show([...nodes, element("p", { class: "soft" }, `${note} Trust file: ${found.name}.`)]);
}

async function checkHereAndThere(files) {
  const { bundleOf, toldUntrusting } = await load();
  const makeBundle = () => bundleOf(files);
  const chosen = await ownTrust;
  if (chosen?.problem) {
    last = () => checkHereAndThere(files);
    show(toldUntrusting(chosen.problem, words, icons));
    return;
  }
  let answer;
  try {
    answer = await fetch(form.action, { method: "POST", body: new FormData(form), credentials: "same-origin" });
  } catch {
    await checkHereAlone(makeBundle, "This site could not be reached. Your browser checked it alone.");
    return;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const told = page.getElementById("result");
  if (!told || told.hidden) {
    form.submit(); // the site has something to say about the form: let its page say it
    return;
  }
  document.title = page.title;
  show([...told.childNodes].map((node) => document.adoptNode(node)));
  const box = result.querySelector("[data-browser-check]");
  if (box) await beside(box, makeBundle);
}

const saidOfFile = form?.querySelector("[data-file-said]");
function say(text) {
  saidOfFile.textContent = text;
  saidOfFile.hidden = !text;
}

if (form) {
  const input = form.querySelector('input[type="file"]');
  form.querySelector("[data-alone]").hidden = false;
  // With fingers nothing is dropped.
  form.querySelector("[data-drop-hint]").hidden = !matchMedia("(hover: hover) and (pointer: fine)").matches;
  form.addEventListener("submit", async (event) => {
    const files = Array.from(input.files);
    if (!files.length) return; // pasted text: the site reads it
    event.preventDefault();
    say("Checking…");
    try {
      const { bundleOf } = await load();
      if (form.querySelector("[data-alone-box]").checked) {
        await checkHereAlone(() => bundleOf(files), "Your browser checked it alone; nothing was sent.");
      } else {
        await checkHereAndThere(files);
      }
      if (saidOfFile.textContent === "Checking…") say("");
    } catch {
      say("This could not be checked. Look at your connection, load this page again, and choose the files anew.");
    }
  });
  // What is dropped beside the box counts too: else the browser would open the file, and this page would be gone.
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      form.classList.add("dropping");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.classList.remove("dropping");
  });
  document.addEventListener("drop", async (event) => {
    form.classList.remove("dropping");
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    const dropped = new DataTransfer();
    for (const file of await droppedFiles(event.dataTransfer).catch(() => [])) dropped.items.add(file);
    if (!dropped.files.length) {
      say("No file was in what you dropped. Choose the .zip instead.");
      return;
    }
    // As with files that are chosen: nothing is sent before the button is pressed.
    input.files = dropped.files;
    say(dropped.files.length === 1 ? `${dropped.files[0].name} is chosen.` : `${dropped.files.length} files are chosen.`);
    form.querySelector("button[type=submit]").focus();
  });
}

// ---- a trust file of the reader's own

if (trustChoice) {
  trustChoice.hidden = false;
  const said = trustChoice.querySelector("[data-trust-said]");
  const input = trustChoice.querySelector("input");
  const remove = trustChoice.querySelector("[data-trust-remove]");
  const read = async (file) => {
    const { bytesOf, fingerprint, readTrust, Unreadable } = await load();
    try {
      const bytes = await bytesOf(file);
      await readTrust(bytes);
      return { bytes, name: await fingerprint(bytes) };
    } catch (error) {
      return { problem: error instanceof Unreadable ? error.message : "This file cannot be read." };
    }
  };
  const chosen = async () => {
    const [file] = input.files;
    const reading = file ? read(file) : Promise.resolve(null);
    ownTrust = reading;
    remove.hidden = !file;
    said.textContent = file ? "Reading your trust file…" : "";
    let found;
    try {
      found = await reading;
    } catch {
      found = { unread: "The check could not be loaded. Look at your connection, and load this page again." };
    }
    if (ownTrust !== reading) return; // another one was chosen meanwhile
    if (last && !found?.unread) await last();
    if (ownTrust !== reading) return;
    const untrusting = words.kinds.untrusting.headline.replace("was checked", "is checked");
    if (found?.unread) said.textContent = found.unread;
    else if (found?.problem) said.textContent = `${untrusting} ${words.anotherTrust}`;
    else if (found) said.textContent = `Your browser now goes by this file. Its fingerprint: ${found.name}`;
    if (!last || found?.unread) return;
    // The answer stands far above, where one does not see it change.
    const { element } = await load();
    said.append(" ", element("a", { href: "#result" }, "See the answer"));
  };
  input.addEventListener("change", chosen);
  if (input.files.length) chosen(); // a browser that goes back to this page keeps what was chosen
  remove.addEventListener("click", async () => {
    input.value = "";
    await chosen();
    input.focus();
  });
}

// ---- by the square code

const scan = document.querySelector("[data-scan]");
if (scan && "BarcodeDetector" in globalThis) offerScanning();

async function offerScanning() {
  const kinds = await BarcodeDetector.getSupportedFormats().catch(() => []);
  if (!kinds.includes("qr_code")) return;
  const detector = new BarcodeDetector({ formats: ["qr_code"] });
  const codeForm = document.getElementById("by-code");
  const saidOfCode = codeForm.querySelector("[data-scan-said]");
  const dialog = document.querySelector("[data-scan-dialog]");
  const video = dialog.querySelector("video");
  const tell = (text) => {
    saidOfCode.textContent = text;
    saidOfCode.hidden = !text;
  };
  const found = (text) => {
    dialog.close();
    const { code, digest, host } = meantBy(text);
    if (host) {
      tell(`This code leads to ${host}, not to us. Do not rely on it, and type the code of the device instead.`);
      return;
    }
    if (!code) {
      tell("This code is not one of ours. It reads: " + text.slice(0, 200));
      return;
    }
    const address = new URL(codeForm.action);
    address.searchParams.set("code", code);
    if (digest) address.searchParams.set("digest", digest);
    location.assign(address);
  };

  const photo = codeForm.querySelector("[data-scan-photo]");
  photo.hidden = false;
  photo.querySelector("input").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    try {
      const codes = await detector.detect(await createImageBitmap(file));
      if (codes.length) found(codes[0].rawValue);
      else tell("There is no code to be seen on this photograph. Take it from nearer, with more light.");
    } catch {
      tell("This photograph cannot be read. Choose another.");
    }
  });

  if (!navigator.mediaDevices?.getUserMedia) return;
  scan.hidden = false;
  codeForm.querySelector("[data-scan-instead]").hidden = true;
  scan.addEventListener("click", async () => {
    tell("");
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      tell("The camera may not be used. Allow it in the settings of your browser, or type the code.");
      return;
    }
    dialog.addEventListener("close", () => stream.getTracks().forEach((track) => track.stop()), { once: true });
    video.srcObject = stream;
    const patience = dialog.querySelector("[data-scan-patience]");
    patience.textContent = "";
    dialog.showModal();
    await video.play().catch(() => {});
    const begun = Date.now();
    while (dialog.open) {
      if (!patience.textContent && Date.now() - begun > 8000) {
        patience.textContent = "Nothing found yet. Hold it nearer and with more light, or stop and type the code.";
      }
      const codes = await detector.detect(video).catch(() => []);
      if (codes.length && dialog.open) found(codes[0].rawValue);
      else await new Promise((go) => setTimeout(go, 200));
    }
  });
}

/** What a square code means: a number or code, maybe in an address of ours; {host} for an address of somebody else. */
function meantBy(text) {
  const plain = text.trim();
  if (/^[A-Za-z0-9-]{4,60}$/.test(plain)) return { code: plain };
  let address;
  try {
    address = new URL(plain);
  } catch {
    return { code: null };
  }
  const home = new URL(document.getElementById("by-code").dataset.home);
  if (![home.hostname, location.hostname].includes(address.hostname)) return { host: address.hostname || plain.slice(0, 60) };
  const number = /\/(?:certificates|devices|shop)\/([A-Za-z0-9-]{4,60})/.exec(address.pathname);
  const code = address.searchParams.get("code") ?? number?.[1] ?? null;
  return { code: code && /^[A-Za-z0-9-]{4,60}$/.test(code) ? code : null, digest: address.searchParams.get("digest") };
}

// ---- what lies on this page already

const held = document.querySelector("[data-browser-check][data-bundle]");
if (held) {
  load().then(({ bundleOfZip }) => beside(held, async () => bundleOfZip(await fetched(held.dataset.bundle))));
}
