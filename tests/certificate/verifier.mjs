// Runs the verifier of the public page on what lies on disk, all in one process.
//
// In, on standard input: {"modules": folder, "bundles": [{"path", "trust" or null, "training", "at"}],
// "documents": [base64], "trusts": [base64], "proofs": [{"proof", "leaf": base64, "logs", "witnesses": [vkey]}]}. Out: for
// each bundle its report and what it comes to for people; for each document its canonical form or null; for each trust file whether it is taken; for
// each proof of the log [index, size, times] or the sentence that refuses it.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const given = JSON.parse(readFileSync(0, "utf-8"));
const module = (name) => import(pathToFileURL(join(given.modules, name)));
const { bundleOfFiles, bundleOfZip } = await module("bundle.js");
const { readTrust } = await module("trust.js");
const { canonical, read, Unreadable } = await module("strict.js");
const { checkLogProof, LogRefused, readVkey } = await module("log.js");
const { verify } = await module("verify.js");
const { outcome } = await module("telling.js");

const bytes = (path) => new Uint8Array(readFileSync(path));
const decoded = (text) => new Uint8Array(Buffer.from(text, "base64"));
const load = (path) =>
  statSync(path).isDirectory()
    ? bundleOfFiles(readdirSync(path).map((name) => [name, bytes(join(path, name))]))
    : bundleOfZip(bytes(path));
const orRefused = (what, refused) => {
  try {
    return what();
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return refused(error);
  }
};

const reports = [];
for (const { path, trust, training, at } of given.bundles) {
  try {
    const pinned = trust === null ? null : await readTrust(bytes(trust));
    const report = await verify(await load(path), pinned, Date.parse(at) / 1000, training);
    reports.push({ ...report, outcome: outcome(report) });
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    reports.push({ ok: false, unreadable: error.message });
  }
}
const documents = given.documents.map((text) =>
  orRefused(() => Buffer.from(canonical(read(decoded(text)))).toString("base64"), () => null)
);
const trusts = [];
for (const text of given.trusts) {
  trusts.push(
    await readTrust(decoded(text)).then(
      () => true,
      (error) => {
        if (!(error instanceof Unreadable)) throw error;
        return false;
      }
    )
  );
}
const proofs = [];
for (const { proof, leaf, logs, witnesses } of given.proofs) {
  try {
    const keys = await Promise.all([Promise.all(logs.map(readVkey)), Promise.all(witnesses.map(readVkey))]);
    const { index, size, times } = await checkLogProof(decoded(proof), decoded(leaf), ...keys);
    proofs.push([index, size, times]);
  } catch (error) {
    if (!(error instanceof Unreadable || error instanceof LogRefused)) throw error;
    proofs.push(error.message);
  }
}
process.stdout.write(JSON.stringify({ reports, documents, trusts, proofs }));
