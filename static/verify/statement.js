// What a certificate says, as values (wipe_agent/certificate/statement.py). Its shape has been checked before.

import { seconds } from "./times.js";
import { KIND_NAMES } from "./vocabulary.js";

/** The statement of a certificate. Times are seconds since 1970. To be believed only when its report is ok. */
export function readStatement(certificate) {
  const { wipe, credentialSubject: subject, proof } = certificate;
  const evidence = subject.authorisation[0].endorsementEvidence;
  return {
    certificateId: certificate.id,
    issuerDid: certificate.issuer.id,
    issuerName: certificate.issuer.name,
    verificationMethod: proof.verificationMethod,
    validFrom: seconds(certificate.validFrom),
    created: seconds(proof.created),
    training: wipe.training,
    workOrderId: wipe.workOrder.id,
    workOrderDigest: wipe.workOrder.digestMultibase,
    challenge: wipe.workOrder.challenge,
    accreditationId: evidence.linkURL,
    accreditationDigest: evidence.digestMultibase,
    deviceId: wipe.device.id,
    deviceCode: wipe.device.code,
    custodyCycle: wipe.custodyCycle,
    supersedes: wipe.supersedes ?? null,
    hostClaimed: wipe.device.hostClaimed,
    hostObserved: wipe.device.hostObserved,
    lines: subject.conformityAssessment.map(line),
  };
}

function line(assessment) {
  const record = assessment.sanitisation;
  const { medium, verification, validation } = record;
  return {
    mediumId: medium.id ?? null,
    kind: medium.kind,
    manufacturer: medium.manufacturer ?? "",
    model: medium.model,
    serial: medium.serial,
    wwn: medium.wwn ?? null,
    sizeBytes: medium.sizeBytes,
    level: record.method ?? null,
    technique: record.technique,
    evidenceClass: record.evidenceClass,
    started: seconds(record.started),
    ended: seconds(record.ended),
    verified: seconds(verification.at),
    bytesRead: verification.bytesRead,
    bytesUnreadable: verification.bytesUnreadable,
    sampling: verification.sampling ?? null,
    validator: validation.by ?? null,
    validated: validation.at === undefined ? null : seconds(validation.at),
    badBlocks: record.badBlocks,
    exclusions: record.exclusions,
    operator: record.operator,
    removalEvent: record.removalEvent ?? null,
    evidence: assessment.evidence ?? [],
  };
}

/** The medium as people point at it. */
export function described(medium) {
  const identity =
    [medium.manufacturer, medium.model].filter(Boolean).join(" ") || `the ${KIND_NAMES[medium.kind]}`;
  return medium.serial ? `${identity} (serial ${medium.serial})` : identity;
}
