// What a verifier checks, in order: one sentence for each check (wipe_agent/certificate/verify.py).
//
// It reads the three documents, believes none of them before its signature holds under a key that the trust file
// leads to, and then compares them. When a document cannot be believed, the report ends there: what it says is not
// worth comparing. Nothing is fetched, and nothing leaves this computer.

import { NOT_IN_TRAINING, QUESTIONS, scopeOf } from "./comparison.js";
import { checkEnvelope } from "./envelope.js";
import { leafData } from "./log.js";
import { digestOf, publicKey } from "./multibase.js";
import { checkOptions, checkSignature, ProofRefused } from "./proof.js";
import { equal, misshapen, named } from "./shape.js";
import { ACCREDITATION, CERTIFICATE, WORK_ORDER } from "./shapes.js";
import { inLog, stillStands } from "./standing.js";
import { readStatement } from "./statement.js";
import { cut, readSigned, Unreadable } from "./strict.js";
import { seconds } from "./times.js";
import {
  ACCREDITATION_FILE,
  ACCREDITATION_STATUS_FILE,
  ACCREDITATION_TYPE,
  ACCREDITOR,
  CERTIFICATE_FILE,
  CERTIFICATE_TYPE,
  CONTEXT,
  DIDS_FILE,
  JWT_FILE,
  LOG_PROOF_FILE,
  MARKETPLACE,
  STATUS_FILE,
  WORK_ORDER_FILE,
  WORK_ORDER_TYPE,
} from "./vocabulary.js";

/** The names of the checks, in the order in which a report lists them. */
export const CHECKS = [
  "readable",
  "context",
  "type",
  "shape",
  "trust",
  "accreditation-proof",
  "key",
  "certificate-proof",
  "work-order-proof",
  ...QUESTIONS.map(([name]) => name),
  "envelope",
  "log",
  "status",
];

/**
 * Check a bundle against a trust file, as of the time `at` (seconds since 1970).
 *
 * `bundle` comes from bundle.js, `trust` from trust.js or is null; `training` admits certificates made for practice.
 * Gives {ok, checks: [{name, level, text, code}], failed, statement}; bad content never throws, it fails a check. A
 * level is "holds", "caution" (what could not be seen from here) or "fails"; a code is "late", "revoked" or null.
 * `statement` is what the certificate says: believe it only when `ok`. `missing` are the files without which nothing
 * can be checked; `knownAt` is the time of the older status list, or null.
 */
export async function verify(bundle, trust, at, training) {
  const report = { ok: false, checks: [], failed: null, statement: null, missing: [], knownAt: null };
  try {
    await makeChecks(bundle, trust, at, training, report);
  } catch (failure) {
    if (!(failure instanceof Fails)) throw failure;
    report.checks.push({ name: failure.check, level: "fails", text: failure.message, code: null });
  }
  report.failed = report.checks.find((check) => check.level === "fails") ?? null;
  report.ok = report.checks.length === CHECKS.length && report.failed === null;
  return report;
}

class Fails extends Error {
  constructor(check, text) {
    super(text);
    this.check = check;
  }
}

const KINDS = [
  [CERTIFICATE_FILE, "certificate", CERTIFICATE_TYPE, CERTIFICATE, "certificate-proof"],
  [ACCREDITATION_FILE, "accreditation", ACCREDITATION_TYPE, ACCREDITATION, "accreditation-proof"],
  [WORK_ORDER_FILE, "work order", WORK_ORDER_TYPE, WORK_ORDER, "work-order-proof"],
].map(([file, name, type, shape, proofCheck]) => ({ file, name, type, shape, proofCheck }));

async function makeChecks(bundle, trust, at, training, report) {
  const answered = (name, [level, text, code = null]) => report.checks.push({ name, level, text, code });
  const holds = (name, text) => answered(name, ["holds", text]);

  report.missing = KINDS.map((kind) => kind.file).filter((file) => !bundle.files.has(file));
  const documents = KINDS.map((kind) => readOne(kind, bundle));
  const [certificate, accreditation, order] = documents;
  holds("readable", whatWasRead(bundle));
  for (const { kind, document } of documents) {
    if (!equal(document["@context"], CONTEXT)) {
      throw new Fails(
        "context",
        `The ${kind.name} does not carry exactly this format's @context, so its words may mean anything.`
      );
    }
  }
  holds("context", "All three are written in the words of this format, and in no others.");
  for (const { kind, document } of documents) {
    if (!equal(document.type, kind.type)) {
      throw new Fails("type", `The ${kind.name} is not of the type ${kind.type.at(-1)}. Is it in the wrong file?`);
    }
  }
  holds("type", "Each is the kind of document that its file name says.");
  for (const { kind, document } of documents) {
    const problem = kind.shape(document);
    if (problem !== null) throw new Fails("shape", misshapen(kind.name, problem));
    // The signature comes later, under a key that is trusted; what is signed with must be known now.
    await proofHolds(kind, () => checkOptions(document.proof, CONTEXT));
  }
  holds("shape", "All three have the form of their kind, and nothing besides.");
  const statement = readStatement(certificate.document);
  report.statement = statement;

  if (trust === null) {
    throw new Fails("trust", "There is no trusted issuer. Give a trust file, or enrol this station to pin one.");
  }
  const accreditor = trustedIssuer(accreditation, trust, ACCREDITOR);
  const marketplace = trustedIssuer(order, trust, MARKETPLACE);
  holds("trust", `The trust file lists ${accreditor} as an accreditor and ${marketplace} as a marketplace.`);
  await requireIssuersProof(accreditation, trust, ACCREDITOR);
  holds("accreditation-proof", `${accreditor} signed the accreditation.`);
  const centreKey = accreditedKey(statement, accreditation.document);
  holds("key", `The accreditation lists the key ${statement.verificationMethod}.`);
  await requireProof(certificate, centreKey);
  holds("certificate-proof", `${statement.issuerName} signed the certificate, and nothing in it was changed.`);
  await requireIssuersProof(order, trust, MARKETPLACE);
  holds("work-order-proof", `${marketplace} signed the work order.`);

  // From here on all three documents are authentic. They are compared, and every comparison is reported.
  const given = {
    statement,
    certificate: certificate.document,
    accreditation: accreditation.document,
    accreditationDigest: await digestOf(accreditation.form),
    order: order.document,
    orderDigest: await digestOf(order.form),
    accreditorUntil: trust.until(accreditation.document.issuer.id),
    trustIsTraining: trust.training,
    trainingAdmitted: training,
    at,
  };
  for (const [name, question, fine] of QUESTIONS) {
    if (statement.training && Object.hasOwn(NOT_IN_TRAINING, name)) {
      answered(name, ["caution", NOT_IN_TRAINING[name]]);
      continue;
    }
    const problem = question(given);
    answered(name, problem === null ? ["holds", fine] : ["fails", problem]);
  }
  answered("envelope", await envelope(bundle, certificate, centreKey));
  const leaf = leafData("wipe-certificate", statement.issuerDid, await digestOf(certificate.form));
  const [seenInLog, seen] = await inLog(bundle.files.get(LOG_PROOF_FILE), leaf, statement, trust);
  answered("log", seenInLog);
  const listed = (signed, lister, role, file) => ({
    name: signed.kind.name,
    entry: signed.document.credentialStatus,
    issuer: lister.document.issuer.id,
    backing: lister.kind.name,
    backingKey: lister.document.proof.verificationMethod,
    role,
    file,
    bytes: bundle.files.get(file),
  });
  const [stands, knownAt] = await stillStands(
    listed(certificate, order, MARKETPLACE, STATUS_FILE),
    listed(accreditation, accreditation, ACCREDITOR, ACCREDITATION_STATUS_FILE),
    centreKey,
    statement,
    trust,
    { seen, training: statement.training, at }
  );
  report.knownAt = knownAt;
  answered("status", stands);
}

async function envelope(bundle, certificate, key) {
  const bytes = bundle.files.get(JWT_FILE);
  if (bytes === undefined) return ["holds", "There is no second form of the certificate. One signature is enough."];
  const method = certificate.document.proof.verificationMethod;
  try {
    await checkEnvelope(bytes, certificate.unsigned, key, method);
  } catch (problem) {
    if (!(problem instanceof Unreadable || problem instanceof ProofRefused)) throw problem;
    return ["fails", `The second form of the certificate, ${JWT_FILE}, ${problem.message}`];
  }
  return ["holds", `Its second form, ${JWT_FILE}, says the same and is signed with the same key.`];
}

function readOne(kind, bundle) {
  const bytes = bundle.files.get(kind.file);
  if (bytes === undefined) {
    throw new Fails("readable", `The bundle has no ${kind.file}. Without the ${kind.name} nothing can be checked.`);
  }
  try {
    return { kind, ...readSigned(bytes, kind.name) };
  } catch (reason) {
    if (reason instanceof Unreadable) throw new Fails("readable", reason.message);
    throw reason;
  }
}

function whatWasRead(bundle) {
  // Quoted, because anybody can choose the names of files.
  const left = bundle.ignored.map((name) => named(cut(name, 60)));
  let text = "The certificate, the accreditation and the work order can be read.";
  // Whoever made the bundle wrote it: keys come from the trust file alone.
  if (bundle.files.has(DIDS_FILE)) text += ` ${DIDS_FILE} is not used in this check.`;
  if (left.length === 0) return text;
  return `${text} Not examined: ${left.slice(0, 5).join(", ")}${left.length > 5 ? " and more" : ""}.`;
}

function trustedIssuer({ kind, document }, trust, role) {
  const { id, name } = document.issuer;
  if (!trust.knows(id, role)) {
    throw new Fails(
      "trust",
      `The ${kind.name} is by ${name} (${id}), whom the trust file does not list as ` +
        `${role === ACCREDITOR ? "an" : "a"} ${role}. So it proves nothing to you.`
    );
  }
  return trust.name(id);
}

function issuersKey({ kind, document }, trust, role) {
  const issuer = document.issuer.id;
  const method = document.proof.verificationMethod;
  const key = method.split("#")[0] === issuer ? trust.key(method, role) : null;
  if (key === null) {
    throw new Fails(
      kind.proofCheck,
      `The ${kind.name} is signed with the key ${method}, which the trust file does not list for ${issuer}.`
    );
  }
  return key;
}

// The document is signed with its issuer's key, as the trust file lists it, and not after the end of that key.
async function requireIssuersProof(signed, trust, role) {
  await requireProof(signed, issuersKey(signed, trust, role));
  const { verificationMethod, created } = signed.document.proof;
  const late = trust.signedTooLate(verificationMethod, seconds(created));
  if (late !== null) {
    throw new Fails(signed.kind.proofCheck, `The ${signed.kind.name} is signed with ${late}.`);
  }
}

function requireProof({ kind, document, unsigned }, key) {
  return proofHolds(kind, () => checkSignature(document.proof, unsigned, key));
}

async function proofHolds(kind, check) {
  try {
    await check();
  } catch (refusal) {
    if (refusal instanceof ProofRefused) throw new Fails(kind.proofCheck, `The ${kind.name} ${refusal.message}`);
    throw refusal;
  }
}

function accreditedKey(statement, accreditation) {
  const centre = accreditation.credentialSubject.issuedToParty;
  if (statement.issuerDid !== centre.id) {
    throw new Fails(
      "key",
      `The certificate is by ${statement.issuerName} (${statement.issuerDid}), but the accreditation ` +
        `was given to ${centre.name} (${centre.id}).`
    );
  }
  const listed = scopeOf(accreditation).keys.find((key) => key.id === statement.verificationMethod);
  if (!listed) {
    throw new Fails(
      "key",
      `The certificate is signed with the key ${statement.verificationMethod}, which the accreditation of ` +
        `${centre.name} does not list. Ask the centre for a certificate by an accredited station.`
    );
  }
  try {
    return publicKey(listed.publicKeyMultibase);
  } catch (error) {
    throw new Fails("key", `The accreditation lists a bad key, ${listed.id}. ${error.message}`);
  }
}
