// Compare three authentic documents (wipe_agent/certificate/comparison.py): does this certificate, under this
// accreditation, answer this work order?
//
// Each question is answered with null, or with a sentence that says what is wrong, why, and what now. The answers
// stand in the order in which a report lists them.

import { durationProblem, evidenceProblem } from "./evidence.js";
import { equal, named } from "./shape.js";
import { described } from "./statement.js";
import { CLOCK_TOLERANCE, seconds, when } from "./times.js";
import { KIND_NAMES } from "./vocabulary.js";

/** The scope of an accreditation: methods, mediaKinds, keys. */
export function scopeOf(accreditation) {
  return accreditation.credentialSubject.conformityAssessment[0].accreditationScope;
}

function accreditationProblem({ statement, certificate, accreditation, accreditationDigest }) {
  if (statement.accreditationId !== accreditation.id) {
    return "The certificate names another accreditation than the one in the bundle.";
  }
  if (certificate.credentialSubject.authorisation[0].issuingAuthority.id !== accreditation.issuer.id) {
    return "The certificate names another accreditor than the one who signed the accreditation.";
  }
  const centre = accreditation.credentialSubject.issuedToParty.name;
  if (statement.issuerName !== centre) {
    return `The issuer calls itself ${statement.issuerName}, but the accreditation was given to ${centre}.`;
  }
  if (statement.accreditationDigest !== accreditationDigest) {
    return "The accreditation in the bundle is not the one that the certificate was issued under: its digest differs.";
  }
  return null;
}

function accreditationDatesProblem({ statement, accreditation, accreditorUntil }) {
  const centre = statement.issuerName;
  const first = Math.min(...statement.lines.map((line) => line.started));
  const from = seconds(accreditation.validFrom);
  const until = seconds(accreditation.validUntil);
  if (first + CLOCK_TOLERANCE < from) {
    return `${centre} was not accredited yet: the wipe began ${when(first)}, the accreditation ${when(from)}.`;
  }
  if (statement.created - CLOCK_TOLERANCE > until) {
    return (
      `The accreditation of ${centre} ended ${when(until)}, ` +
      `before the certificate was signed (${when(statement.created)}).`
    );
  }
  if (accreditorUntil === null) return null;
  const accreditor = accreditation.issuer.name;
  const ended = when(accreditorUntil);
  for (const [what, signed] of [
    ["this accreditation", seconds(accreditation.proof.created)],
    ["the certificate", statement.created],
  ]) {
    if (signed - CLOCK_TOLERANCE > accreditorUntil) {
      return `${accreditor} ended as an accreditor ${ended}, before ${what} was signed (${when(signed)}).`;
    }
  }
  return null;
}

function scopeProblem({ statement, accreditation }) {
  const scope = scopeOf(accreditation);
  for (const line of statement.lines) {
    if (!scope.mediaKinds.includes(line.kind)) {
      return (
        `${statement.issuerName} is not accredited for the kind ${KIND_NAMES[line.kind]}, ` +
        `and ${described(line)} is one. It must go to a centre that is.`
      );
    }
    if (line.level !== null && !scope.methods.includes(line.level)) {
      return `${statement.issuerName} is not accredited to ${line.level}, and certifies that of ${described(line)}.`;
    }
  }
  return null;
}

function workOrderProblem({ statement, certificate, order, orderDigest }) {
  const subject = order.credentialSubject;
  if (statement.workOrderId !== order.id) {
    return (
      "The certificate answers another work order than the one in the bundle. " +
      "A certificate for one device cannot be used for another."
    );
  }
  if (statement.workOrderDigest !== orderDigest) {
    return "The work order in the bundle is not the one that the certificate was issued for: its digest differs.";
  }
  if (statement.challenge !== subject.challenge) {
    return "The certificate does not answer the challenge of its work order.";
  }
  if (statement.issuerDid !== subject.centre.id) {
    return `The work order was given to ${subject.centre.id}, not to ${statement.issuerDid}.`;
  }
  if (certificate.credentialSubject.issuedToParty.id !== order.issuer.id) {
    return "The certificate is made out to another party than the one who ordered the work.";
  }
  const given = order.wipe.credentialStatus;
  if (given !== undefined && !equal(certificate.credentialStatus, given)) {
    return "The certificate does not carry the place in the status list that its work order gave to it.";
  }
  if (statement.supersedes !== (subject.supersedes ?? null)) {
    return "The certificate does not supersede the one that its work order names.";
  }
  return null;
}

function deviceProblem({ statement, order }) {
  const { device, custodyCycle } = order.credentialSubject;
  if (statement.deviceId !== device.id || statement.deviceCode !== device.code) {
    return (
      `The certificate is for the device ${statement.deviceCode} (${statement.deviceId}), the work order ` +
      `for ${device.code} (${device.id}).`
    );
  }
  const words = { serial: "serial number", model: "model", manufacturer: "manufacturer" };
  for (const [name, said] of Object.entries(words)) {
    if (statement.hostClaimed[name] !== device[name]) {
      return `The certificate states the ${said} ${named(statement.hostClaimed[name])}, the work order ${named(device[name])}.`;
    }
  }
  if (statement.custodyCycle !== custodyCycle) {
    return (
      `The certificate is for custody cycle ${statement.custodyCycle}, the work order for ` +
      `${custodyCycle}. A device that came back is wiped again.`
    );
  }
  return null;
}

function hostProblem({ statement }) {
  const claimed = statement.hostClaimed.serial;
  const observed = statement.hostObserved.serial ?? "";
  if (!claimed || !observed || claimed === observed) return null;
  const line = statement.lines.find((each) => each.removalEvent === null && each.evidenceClass !== "absent");
  if (!line) return null;
  return (
    `${described(line)} was wiped in a machine with the serial number ${observed}, but the device has ` +
    `${claimed}. Record how the medium was taken out, and issue a new certificate.`
  );
}

function coverageProblem({ statement, order }) {
  const { media, device } = order.credentialSubject;
  const expected = new Map(media.map((medium) => [medium.id, medium]));
  const covered = new Set();
  const identities = new Set();
  for (const line of statement.lines) {
    const twice = `${described(line)} stands on the certificate twice. Each medium is certified once.`;
    if (line.serial) {
      const identity = JSON.stringify([line.model, line.serial]);
      if (identities.has(identity)) return twice;
      identities.add(identity);
    }
    if (line.mediumId === null) continue;
    if (covered.has(line.mediumId)) return twice;
    const medium = expected.get(line.mediumId);
    if (!medium) return `${described(line)} carries an id that the work order does not know.`;
    covered.add(line.mediumId);
    if (medium.serial && line.serial !== medium.serial) {
      return (
        `The work order expects the serial number ${medium.serial}, the certificate covers ` +
        `${line.serial || "a medium without one"}. Another medium was wiped.`
      );
    }
    if (line.wwn !== null && (medium.wwn ?? line.wwn) !== line.wwn) {
      return `${described(line)} has another world wide name than the work order expects. Another medium was wiped.`;
    }
    if (line.kind !== medium.kind) {
      return (
        `The work order expects ${described(line)} to be of the kind ${medium.kind}, the certificate ` +
        `says ${line.kind}. Correct the order or the certificate.`
      );
    }
  }
  const missing = [...expected.values()].filter((medium) => !covered.has(medium.id));
  if (missing.length === 0) return null;
  const name = [device.manufacturer, device.model].filter(Boolean).join(" ") || `The device ${device.code}`;
  return (
    `This certificate covers ${counted(covered.size)}. ${name} has ${expected.size}. ` +
    `Missing: ${missing.map(expectedName).join("; ")}. Sanitise what is missing, and issue a new certificate.`
  );
}

function timesProblem({ statement, order }) {
  const from = seconds(order.validFrom);
  const until = seconds(order.validUntil);
  for (const line of statement.lines) {
    // Only the work order's times come from another clock than the station's.
    if (line.started + CLOCK_TOLERANCE < from) {
      return `The wipe of ${described(line)} is dated before its work order. It cannot answer that order.`;
    }
    if (line.started - CLOCK_TOLERANCE > until) {
      return `The wipe of ${described(line)} began after its work order had expired. Ask for a new one.`;
    }
    const steps = [
      ["began", line.started],
      ["ended", line.ended],
      ["was verified", line.verified],
      ...(line.validated === null ? [] : [["was validated", line.validated]]),
      ["was certified", statement.created],
    ];
    for (let place = 1; place < steps.length; place += 1) {
      const [[earlier, one], [later, other]] = [steps[place - 1], steps[place]];
      if (other < one) {
        return `The wipe of ${described(line)} ${later} before it ${earlier}. These times cannot be true.`;
      }
    }
  }
  if (statement.validFrom < statement.created) return "The certificate is valid from a time before it was signed.";
  return null;
}

function trainingProblem({ statement, certificate, accreditation, order, trustIsTraining, trainingAdmitted }) {
  const isTraining = statement.training;
  const others = [
    ["accreditation", accreditation.wipe.training],
    ["work order", order.wipe.training],
    ["trust file", trustIsTraining],
  ];
  const purpose = (training) => (training ? "for practice" : "for real");
  for (const [what, training] of others) {
    if (training !== isTraining) {
      return (
        `The certificate is ${purpose(isTraining)}, ` + `but the ${what} is ${purpose(training)}. The two do not mix.`
      );
    }
  }
  for (const [what, document] of [
    ["certificate", certificate],
    ["accreditation", accreditation],
  ]) {
    if ((document.credentialSubject.assessmentLevel === "no-endorsement") !== isTraining) {
      return `The ${what} does not state its assessment level as practice or real work must.`;
    }
  }
  if (isTraining && !trainingAdmitted) {
    return "This is a training certificate: it proves practice, not a wipe. Ask for training to check it as such.";
  }
  return null;
}

function clockProblem({ statement, at }) {
  if (statement.validFrom - CLOCK_TOLERANCE > at) {
    return `The certificate is dated ${when(statement.validFrom)}, in the future. One of the clocks is wrong.`;
  }
  return null;
}

function firstProblem(problemOf, lines) {
  for (const line of lines) {
    const problem = problemOf(line);
    if (problem !== null) return problem;
  }
  return null;
}

const counted = (number) => (number === 1 ? "one medium" : `${number || "no"} media`);

function expectedName(medium) {
  const name = [medium.manufacturer, medium.model].filter(Boolean).join(" ") || KIND_NAMES[medium.kind];
  return medium.serial ? `${name} (serial ${medium.serial})` : name;
}

/** The name of each check, its question, and what to say when nothing is wrong. */
export const QUESTIONS = [
  ["accreditation", accreditationProblem, "The certificate names this accreditation."],
  [
    "accreditation-dates",
    accreditationDatesProblem,
    "The accreditation was valid from the first wipe to the end.",
  ],
  ["scope", scopeProblem, "The accreditation covers these methods and kinds of media."],
  ["work-order", workOrderProblem, "The certificate answers this work order and its challenge."],
  ["device", deviceProblem, "It is the device of the work order."],
  ["host", hostProblem, "The media were in this device, or their removal is recorded."],
  ["coverage", coverageProblem, "Every medium that the work order expects is covered once."],
  [
    "evidence",
    ({ statement }) => firstProblem(evidenceProblem, statement.lines),
    "Each line shows what its evidence class asks for.",
  ],
  ["times", timesProblem, "The times are in order."],
  [
    "duration",
    ({ statement }) => firstProblem(durationProblem, statement.lines),
    "No step was faster than such a medium allows.",
  ],
  ["training", trainingProblem, "Practice and real work are not mixed."],
  ["clock", clockProblem, "It is not dated in the future."],
];

/** What is not asked of a training certificate, and what to say of that: practice runs as fast as memory does. */
export const NOT_IN_TRAINING = { duration: "In training it is not judged how fast the work went." };
