// What came after the signing (wipe_agent/certificate/standing.py): was the certificate seen in the log in time, and
// does it still stand?
//
// Both are answered from what the bundle brings, never from the network. What is missing or old is a caution; what is
// there and does not hold fails. An answer is [level, sentence], and [level, sentence, code] where programs go by more
// than the level: "late" (witnessed late) or "revoked" (withdrawn, by itself, its accreditation or its key).

import { checkLogProof, LogRefused } from "./log.js";
import { encode } from "./multibase.js";
import { checkOptions, checkSignature, ProofRefused } from "./proof.js";
import { equal, misshapen, named } from "./shape.js";
import { STATUS_LIST } from "./shapes.js";
import { fallen, FRESH, readStatusList } from "./status.js";
import { cut, readSigned, Unreadable } from "./strict.js";
import { CLOCK_TOLERANCE, seconds, when } from "./times.js";
import { ACCREDITOR, CONTEXT, STATUS_LIST_TYPE } from "./vocabulary.js";

const WITNESSED_WITHIN = 24 * 3600; // later than this after its validFrom, a certificate is called late-witnessed

const caution = (text) => ["caution", text];
const fails = (text) => ["fails", text];

/** Whether the proof shows the leaf in a log that counts: [answer, when enough witnesses had seen it, or null]. */
export async function inLog(proof, leaf, statement, trust) {
  if (trust.logs.length === 0) {
    return [caution("Your trust file names no log, so only the centre says when this certificate was made."), null];
  }
  if (proof === undefined) {
    const text =
      "It is not in the log yet, or its proof was left out: only the centre says when it was made. " +
      "Ask the marketplace for the bundle again.";
    return [caution(text), null];
  }
  try {
    const found = await checkLogProof(proof, leaf, trust.logs, trust.witnesses);
    return witnessed(found.times, statement, trust);
  } catch (problem) {
    if (problem instanceof LogRefused && problem.origin !== undefined) {
      const text = `The proof is from the log ${named(cut(problem.origin, 80))}, which your trust file does not name. It shows you nothing.`;
      return [caution(text), null];
    }
    if (!(problem instanceof Unreadable || problem instanceof LogRefused)) throw problem;
    return [fails(`The proof that it is in the log does not hold. ${problem.message}`), null];
  }
}

function witnessed(times, statement, trust) {
  const needed = trust.witnessesNeeded;
  if (!needed) {
    // Who wrote the trust file chose that the log's own word is enough: then there is nothing more to be had.
    const text =
      "It is in the public log. Your trust file asks for no outside witness, so when it came there, only the log says.";
    return [["holds", text], null];
  }
  const witnesses = times.length === 1 ? "1 witness" : `${times.length || "no"} witnesses`;
  if (times.length < needed) {
    const text =
      `It is in the log, but seen there by ${witnesses}; your trust file asks for ` +
      `${needed}. Ask the marketplace for the bundle again later.`;
    return [caution(text), null];
  }
  const at = times[needed - 1];
  if (at < statement.created - CLOCK_TOLERANCE) {
    const text =
      `${witnesses} saw it in the log by ${when(at)}, before the time that it is dated ` +
      `(${when(statement.created)}). One of the clocks is wrong.`;
    return [caution(text), at];
  }
  if (at > statement.validFrom + WITNESSED_WITHIN) {
    const text =
      `Late-witnessed: it is dated ${when(statement.validFrom)}, and was seen in the log by ${witnesses} only ` +
      `on ${when(at)}. For the time between, there is only the centre's word.`;
    return [["caution", text, "late"], at];
  }
  return [["holds", `It is in the log, seen by ${witnesses} on ${when(at)}.`], at];
}

/**
 * Whether the certificate, its accreditation and the station's key were withdrawn, as far as the lists tell, and the
 * time of the older list, as of when this is known: [answer, time or null].
 *
 * `certificate` and `accreditation` are {name, entry, issuer, backing, backingKey, role, file, bytes}: as people call the
 * document, what it says of its list, who may sign that list and in which role, what of this issuer the certificate
 * stands on and the key that signed that, and the list that the bundle brings (or undefined).
 */
export async function stillStands(certificate, accreditation, key, statement, trust, { seen, training, at }) {
  for (const listed of [accreditation, certificate]) {
    const problem = lostKeyProblem(listed, trust, seen);
    if (problem !== null) return [fails(problem), null];
  }
  const cautions = [];
  let oldest = null;
  for (const listed of [certificate, accreditation]) {
    let list;
    let problem;
    try {
      list = await open(listed, trust, training);
      if (typeof list === "string") {
        cautions.push(list);
        continue;
      }
      problem = withdrawn(listed, list, seen) ?? (listed === accreditation ? keyProblem(list, key, statement, seen) : null);
    } catch (reason) {
      if (reason instanceof Unreadable) return [fails(`The ${listed.file} does not hold. ${reason.message}`), null];
      throw reason;
    }
    oldest = oldest === null ? list.validFrom : Math.min(oldest, list.validFrom);
    if (problem !== null) return [["fails", problem, "revoked"], oldest];
    if (list.validFrom < statement.created - CLOCK_TOLERANCE) {
      cautions.push(
        `The status list of the ${listed.name} is of ${when(list.validFrom)}, and the certificate was signed ` +
          `only on ${when(statement.created)}: the list cannot know of it. Ask the marketplace for the bundle again.`
      );
    } else if (at > list.validFrom + FRESH || at > list.validUntil) {
      cautions.push(
        `Valid, but its status is not fresh: the list of the ${listed.name} is of ${when(list.validFrom)}, ` +
          "older than 7 days. Ask the marketplace for the bundle again."
      );
    } else if (list.validFrom - CLOCK_TOLERANCE > at) {
      cautions.push(
        `The status list of the ${listed.name} is dated ${when(list.validFrom)}, in the future. One of the ` +
          "clocks is wrong, so whether it is fresh cannot be told."
      );
    }
  }
  if (cautions.length) return [caution(cautions.join(" ")), oldest];
  return [["holds", `Not revoked as of ${when(oldest)}: not it, nor its accreditation, nor the station's key.`], oldest];
}

// The list that a document's entry names, with its signature checked; or why there is none, for a caution.
async function open(listed, trust, training) {
  if (listed.entry === undefined) {
    return (
      `The ${listed.name} names no status list, as before there were any: ask the marketplace whether it was ` +
      "withdrawn."
    );
  }
  if (listed.bytes === undefined) {
    return `No status list of the ${listed.name} is here: ask the marketplace whether it was withdrawn.`;
  }
  const { document, unsigned } = readSigned(listed.bytes, "status list");
  if (!equal(document["@context"], CONTEXT) || !equal(document.type, STATUS_LIST_TYPE)) {
    throw new Unreadable("It is no status list of this format.");
  }
  const problem = STATUS_LIST(document);
  if (problem !== null) throw new Unreadable(misshapen("status list", problem));
  if (document.id !== listed.entry.statusListCredential) {
    throw new Unreadable(`It is another list than the one that the ${listed.name} names.`);
  }
  if (document.issuer.id !== listed.issuer) {
    throw new Unreadable(`It is by ${document.issuer.id}, not by ${listed.issuer}.`);
  }
  const { verificationMethod: method, created } = document.proof ?? {};
  try {
    checkOptions(document.proof, document["@context"]);
    const key = method.split("#")[0] === listed.issuer ? trust.key(method, listed.role) : null;
    if (key === null) {
      throw new Unreadable(`It is signed with the key ${method}, which the trust file does not list for its issuer.`);
    }
    await checkSignature(document.proof, unsigned, key);
  } catch (refusal) {
    if (refusal instanceof ProofRefused) throw new Unreadable(`The status list ${refusal.message}`);
    throw refusal;
  }
  const late = trust.signedTooLate(method, seconds(created));
  if (late !== null) throw new Unreadable(`It is signed with ${late}.`);
  const since = trust.keyEnd(method)?.compromisedSince ?? null;
  if (since !== null) {
    // Who has the key can write any list, and date it as they like: it is as good as none.
    return (
      `The status list of the ${listed.name} is signed with the key ${method}, which others may have had since ` +
      `${when(since)}: it says nothing. Ask the marketplace for the bundle again.`
    );
  }
  const list = await readStatusList(document);
  if (list.training !== training) {
    throw new Unreadable("It is for practice, and the certificate for real, or the other way round.");
  }
  return list;
}

// Whether the work order or the accreditation may be by somebody else, who had the key of its issuer. The certificate
// names both by their digests, so what witnesses saw of it, they saw of these.
function lostKeyProblem({ backing, backingKey }, trust, seen) {
  const since = trust.keyEnd(backingKey)?.compromisedSince ?? null;
  if (since === null || (seen !== null && seen <= since)) return null;
  return (
    `The ${backing} is signed with the key ${backingKey}, which others may have had since ${when(since)}. Only what was ` +
    "seen in the log before that still stands, and this was not."
  );
}

function withdrawn(listed, list, seen) {
  const index = Number(listed.entry.statusListIndex);
  if (!list.isSet(index)) return null;
  const told = list.withdrawn.get(index);
  if (!told) return `The ${listed.name} was revoked. The list does not say when and why: ask the marketplace.`;
  if (told.compromisedSince !== null && listed.role === ACCREDITOR) {
    if (seen !== null && seen <= told.compromisedSince) return null;
    return (
      `The accreditation was revoked on ${when(told.at)}. The reason given: ${ended(told.reason)} Only what was seen in ` +
      `the log before ${when(told.compromisedSince)} still stands, and this was not.`
    );
  }
  return `The ${listed.name} was revoked on ${when(told.at)}. The reason given: ${ended(told.reason)}`;
}

function keyProblem(list, key, statement, seen) {
  const said = fallen(list, encode(Uint8Array.of(0xed, 0x01, ...key)));
  if (said === null) return null;
  const [given, which] = [`The reason given: ${ended(said.reason)}`, `The key is ${statement.verificationMethod}.`];
  if (said.compromisedSince === null) {
    // Nobody else had the key, so the time that the station wrote is believed.
    if (statement.created <= said.at + CLOCK_TOLERANCE) return null;
    return (
      `The test centre's signing key was revoked on ${when(said.at)}. ${given} This certificate was signed with it after ` +
      `that. ${which}`
    );
  }
  if (seen !== null && seen <= said.compromisedSince) return null;
  return (
    `The test centre's signing key was stolen or lost: others may have had it since ${when(said.compromisedSince)}. ` +
    `${given} Only what was seen in the log before that still stands, and this was not. ${which} It was revoked on ` +
    `${when(said.at)}.`
  );
}

const ended = (reason) => (/[.!?]$/.test(reason) ? reason : `${reason}.`);
