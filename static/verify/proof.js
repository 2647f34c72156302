// The Data Integrity proof eddsa-jcs-2022 (W3C vc-di-eddsa): check one (wipe_agent/certificate/proof.py).
//
// The key is always handed in by the caller, who looked it up where keys are trusted; nothing in the document chooses
// the key's type or the algorithm.

import { decode, sha256 } from "./multibase.js";
import { equal } from "./shape.js";
import { canonical, isObject } from "./strict.js";
import { isTime } from "./times.js";
import { CRYPTOSUITE } from "./vocabulary.js";

/** The proof does not hold; the message is the rest of a sentence that begins with the document. */
export class ProofRefused extends Error {}

const OPTION_NAMES = [
  "type",
  "cryptosuite",
  "created",
  "verificationMethod",
  "proofPurpose",
  "@context",
  "proofValue",
];
const VERIFICATION_METHOD = /^did:[a-z0-9]{1,32}:[A-Za-z0-9._:%-]{1,200}#[A-Za-z0-9._-]{1,100}$/;

/** Check that the proof's options are the only ones that this format admits. Throws ProofRefused. */
export function checkOptions(proof, context) {
  if (!isObject(proof)) throw new ProofRefused("has no single proof.");
  if (!equal(Object.keys(proof).sort(), [...OPTION_NAMES].sort())) {
    throw new ProofRefused("has a proof with members missing or unknown.");
  }
  if (proof.type !== "DataIntegrityProof" || proof.cryptosuite !== CRYPTOSUITE) {
    throw new ProofRefused(`has a proof of another kind. Only ${CRYPTOSUITE} is admitted.`);
  }
  if (proof.proofPurpose !== "assertionMethod") {
    throw new ProofRefused("has a proof made for another purpose than to assert.");
  }
  if (!equal(proof["@context"], context)) throw new ProofRefused("has a proof made under another @context.");
  if (!isTime(proof.created)) throw new ProofRefused("has a proof whose time is not written as 2026-01-31T12:00:00Z.");
  if (typeof proof.verificationMethod !== "string" || !VERIFICATION_METHOD.test(proof.verificationMethod)) {
    throw new ProofRefused("has a proof that does not name its key as DID#key.");
  }
}

/** Check the signature over a document's canonical form without its proof. Rejects with ProofRefused. */
export async function checkSignature(proof, unsigned, key) {
  if (typeof proof.proofValue !== "string") throw new ProofRefused("has a signature that is not text.");
  let signature;
  try {
    signature = decode(proof.proofValue, 64);
  } catch (error) {
    throw new ProofRefused(`has a signature that cannot be read. ${error.message}`);
  }
  const options = Object.assign(Object.create(null), proof);
  delete options.proofValue;
  const [first, second] = await Promise.all([sha256(canonical(options)), sha256(unsigned)]);
  if (!(await signedBy(key, signature, Uint8Array.of(...first, ...second)))) {
    throw new ProofRefused("was changed after it was signed, or was signed with another key.");
  }
}

/** Whether an Ed25519 signature holds; key, signature and message are bytes. */
export async function signedBy(key, signature, message) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
}

/** Why this browser cannot check signatures, as a sentence; null when it can. */
export async function missingCryptography() {
  const sentence =
    "This browser cannot check Ed25519 signatures, so it cannot check a certificate by itself. " +
    "Use a current version of Firefox, Safari, Chrome or Edge, or the program wipe-agent.";
  if (!globalThis.crypto?.subtle) {
    return `${sentence} A page without https:// cannot do it in any browser.`;
  }
  // The first test vector of RFC 8032, section 7.1: the empty message. What is not known to work is not used.
  const bytes = (hex) => Uint8Array.from(hex.match(/../g), (byte) => parseInt(byte, 16));
  const key = bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const signature = bytes(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
  );
  try {
    const right = await signedBy(key, signature, new Uint8Array());
    const wrong = await signedBy(key, signature, Uint8Array.of(1));
    return right && !wrong ? null : sentence;
  } catch {
    return sentence;
  }
}
