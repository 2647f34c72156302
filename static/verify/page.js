// The page /verify and the page of a certificate: the same check, made by the reader's browser beside that of the site.
//
// Without this script the forms work by themselves. The verifier is loaded only when there is something to check.

const script = document.getElementById("verify-script");
const { icons, trust: trustAddress } = script.dataset;
const words = JSON.parse(script.dataset.words);

let modules = null;
const load = () =>
  (modules ??= Promise.all(
    ["verify", "trust", "picking", "telling", "proof", "strict", "bundle"].map((name) => import(`./${name}.js`))
  ).then((all) => Object.assign({}, ...all)));

let ownTrust = null; // the bytes of a trust file of the reader's own
let last = null; // what was checked last, to check it anew under another trust file

const fetched = async (address) => {
  const answer = await fetch(address, { credentials: "same-origin" });
  if (!answer.ok) throw new Error("The site did not give the file.");
  return new Uint8Array(await answer.arrayBuffer());
};

const trustChoice = document.querySelector("[data-trust-choice]");

// ---- the check

/** Check a bundle, given as a function that makes it. Gives {report} or {problem: sentence}, with the trust file's name. */
async function check(makeBundle) {
  const { missingCryptography, readTrust, fingerprint, verify, Unreadable } = await load();
  const missing = await missingCryptography();
  if (missing !== null) return { missing };
  const bytes = ownTrust ?? (await fetched(trustAddress));
  const name = await fingerprint(bytes);
  try {
    const trust = await readTrust(bytes);
    // Training certificates are judged as such where the trust file is for training; they never prove anything.
    const report = await verify(await makeBundle(), trust, Math.floor(Date.now() / 1000), trust.training);
    return { report, name };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { unreadable: error.message, name };
  }
}

/** Put the browser's answer beside the site's: one band above the checks, one mark beside each. */
async function beside(box, makeBundle) {
  last = () => beside(box, makeBundle);
  const { element, icon, LEVELS } = await load();
  const band = (tone, symbol, title, ...lines) => {
    const text = element("div", {}, element("p", { class: "notice-title" }, title), ...lines);
    box.replaceChildren(element("div", { class: `notice tone-${tone}`, role: "status" }, icon(icons, symbol), text));
  };
  const line = (text) => element("p", {}, text);
  band("work", "hourglass", "Your browser is checking too");
  let found;
  try {
    found = await check(makeBundle);
  } catch {
    const text = "The files could not be fetched. Download the bundle, and check it as a file.";
    band("wait", "circle-alert", "Your browser could not check it", line(text));
    return;
  }
  if (found.missing) {
    band("wait", "circle-alert", "Your browser could not check it", line(found.missing));
    return;
  }
  const under = line(
    ownTrust
      ? `It went by the trust file that you chose, with the fingerprint ${found.name}.`
      : `It went by the trust file of this site, with the fingerprint ${found.name}.` +
          (trustChoice ? " To believe nobody here, choose a trust file of your own below." : "")
  );
  const siteOk = box.dataset.ok === "yes";
  const siteFailed = box.dataset.failed;
  const failed = found.report?.failed?.name ?? (found.unreadable ? "readable" : "");
  const agrees = found.unreadable ? !siteOk : found.report.ok === siteOk && failed === siteFailed;
  if (agrees) {
    // Green stands beside what proves something, and beside nothing else.
    const tone = document.querySelector(".verdict.tone-safe") ? "safe" : "work";
    const text = siteOk
      ? "It made every check by itself, and comes to the same result."
      : "It made the checks by itself, and stops at the same place.";
    band(tone, "monitor-check", "Your browser agrees", line(text), under);
  } else if (failed === "trust") {
    // Somebody may be listed no more, or not by the reader: that is for the reader's trust file to say, and no forgery.
    const advice = "Believe your trust file rather than us. Those who are listed change with time.";
    band("wait", "circle-alert", "Your browser does not know who signed this", line(found.report.failed.text), line(advice), under);
  } else {
    const why = found.unreadable ?? found.report.failed?.text ?? "Every check holds there.";
    const advice = "Believe your browser rather than us, and tell us.";
    band("bad", "triangle-alert", "Your browser does not agree with this site", line(`Its answer: ${why}`), line(advice), under);
  }
  for (const place of document.querySelectorAll("[data-check]")) {
    place.querySelector(".own-mark")?.remove();
    const level = found.report?.checks.find((each) => each.name === place.dataset.check)?.level ?? "unreached";
    const [look, symbol, label] = LEVELS[level];
    const text = element("span", {}, `Your browser: ${label.toLowerCase()}`);
    place.querySelector(".check-said").append(element("p", { class: `own-mark ${look}` }, icon(icons, symbol), text));
  }
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
  result.focus({ preventScroll: true });
  result.scrollIntoView({ block: "start" });
}

async function checkHereAlone(makeBundle, note) {
  last = () => checkHereAlone(makeBundle, note);
  const { element, told, toldUnreadable } = await load();
  const found = await check(makeBundle);
  if (found.missing) {
    say(found.missing);
    return;
  }
  const nodes = found.report ? told(found.report, words, icons) : toldUnreadable(found.unreadable, words, icons);
  show([...nodes, element("p", { class: "soft" }, `${note} Trust file: ${found.name}.`)]);
}

async function checkHereAndThere(files) {
  const { bundleOf } = await load();
  const makeBundle = () => bundleOf(files);
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
  for (const hidden of form.querySelectorAll("[data-drop-hint], [data-alone]")) hidden.hidden = false;
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
      say("These files could not be read. Choose them again.");
    }
  });
  for (const name of ["dragenter", "dragover"]) {
    form.addEventListener(name, (event) => {
      event.preventDefault();
      form.classList.add("dropping");
    });
  }
  for (const name of ["dragleave", "drop"]) form.addEventListener(name, () => form.classList.remove("dropping"));
  form.addEventListener("drop", async (event) => {
    event.preventDefault();
    const { droppedFiles } = await load();
    const dropped = new DataTransfer();
    for (const file of await droppedFiles(event.dataTransfer)) dropped.items.add(file);
    if (!dropped.files.length) return;
    input.files = dropped.files;
    form.requestSubmit();
  });
}

// ---- a trust file of the reader's own

if (trustChoice) {
  trustChoice.hidden = false;
  const said = trustChoice.querySelector("[data-trust-said]");
  trustChoice.querySelector("input").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    const { bytesOf, fingerprint, readTrust, Unreadable } = await load();
    ownTrust = null;
    said.textContent = "";
    if (file) {
      try {
        const bytes = await bytesOf(file);
        await readTrust(bytes);
        ownTrust = bytes;
        said.textContent = `Your browser now goes by this file. Its fingerprint: ${await fingerprint(bytes)}`;
      } catch (error) {
        said.textContent = error instanceof Unreadable ? error.message : "This file cannot be read.";
      }
    }
    if (last) await last();
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
    const { code, digest } = meantBy(text);
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
    dialog.showModal();
    await video.play().catch(() => {});
    while (dialog.open) {
      const codes = await detector.detect(video).catch(() => []);
      if (codes.length && dialog.open) found(codes[0].rawValue);
      else await new Promise((go) => setTimeout(go, 200));
    }
  });
}

/** The certificate that a square code means: a number or device code, or an address of this or another market. */
function meantBy(text) {
  const plain = text.trim();
  if (/^[A-Za-z0-9-]{4,60}$/.test(plain)) return { code: plain };
  try {
    const address = new URL(plain);
    const number = /\/(?:certificates|devices)\/([A-Za-z0-9-]{4,60})/.exec(address.pathname);
    const code = address.searchParams.get("code") ?? number?.[1] ?? null;
    return { code: code && /^[A-Za-z0-9-]{4,60}$/.test(code) ? code : null, digest: address.searchParams.get("digest") };
  } catch {
    return { code: null };
  }
}

// ---- what lies on this page already

const held = document.querySelector("[data-browser-check][data-bundle]");
if (held) {
  load().then(({ bundleOfZip }) => beside(held, async () => bundleOfZip(await fetched(held.dataset.bundle))));
}
