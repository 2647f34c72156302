// What each signed document must look like (wipe_agent/certificate/shapes.py).
//
// Fixed parts, which UNTP asks for and which say the same on every certificate, are compared whole.

import {
  code,
  day,
  did,
  didUrl,
  digest,
  equal,
  exactly,
  flag,
  moment,
  oneOf,
  pattern,
  several,
  text,
  thing,
  uri,
  urn,
  whole,
  yes,
} from "./shape.js";
import { isObject, MAX_BYTES } from "./strict.js";
import {
  ACCREDITATION_FILE,
  ACCREDITATION_TYPE,
  ACCREDITOR,
  ADMITTED,
  CERTIFICATE_TYPE,
  CRITERIA,
  DID_CONTEXT,
  EVIDENCE_CLASSES,
  LEVELS,
  MEDIUM_KINDS,
  PERFORMANCE,
  ROLES,
  SCHEME,
  SCOPE_SENTENCE,
  STATUS_LIST_TYPE,
  TOPIC,
  WORK_ORDER_TYPE,
} from "./vocabulary.js";

const name = text(200);
const maybeEmpty = text(200, 0);
const kind = oneOf(...MEDIUM_KINDS);
const level = oneOf(...LEVELS);
const party = thing({ type: exactly(["Party"]), id: did, name });
const issuer = thing({ type: exactly(["CredentialIssuer"]), id: did, name });
const elsewhere = () => null; // the context and the proof have checks of their own
const key = pattern("z6Mk[1-9A-HJ-NP-Za-km-z]{44}", "an Ed25519 public key in multibase");
const method = thing({ id: didUrl, type: exactly("Multikey"), controller: did, publicKeyMultibase: key });

// ---- certificate

const medium = thing(
  { kind, model: maybeEmpty, serial: maybeEmpty, sizeBytes: whole() },
  { id: urn, manufacturer: name, wwn: name, propertyNumber: name, source: name }
);
const sampling = thing({
  fractionPpm: whole(1),
  confidencePpm: whole(1),
  samples: whole(1),
  seed: text(100),
});
const verification = thing(
  { result: exactly("completed"), at: moment, bytesRead: whole(), bytesUnreadable: whole() },
  { method: text(), sampling }
);
const notValidated = thing({ result: exactly("not-performed") });
const validated = thing({ result: exactly("effective"), by: name, at: moment }, { method: text() });
const validation = (value) =>
  isObject(value) && value.result === "not-performed" ? notValidated(value) : validated(value);
const sanitisation = thing(
  {
    medium,
    technique: name,
    evidenceClass: oneOf(...EVIDENCE_CLASSES),
    tool: thing({ name, version: name }),
    started: moment,
    ended: moment,
    verification,
    validation,
    badBlocks: whole(),
    exclusions: several(text(), 0, 32),
    operator: name,
  },
  {
    method: level,
    confidentialityBefore: name,
    confidentialityAfter: name,
    destination: name,
    removalEvent: uri,
    particleSizeMicrometres: whole(1),
  }
);
const product = thing({
  type: exactly(["ProductVerification"]),
  product: thing({ type: exactly(["Product"]), id: urn, name: text(401) }),
});
const link = thing({ linkURL: uri, linkName: name, digestMultibase: digest, mediaType: text(100) });
const assessmentMembers = thing(
  {
    type: exactly(["ConformityAssessment"]),
    id: urn,
    name: text(),
    assessmentCriteria: elsewhere,
    assessmentDate: day,
    assessedPerformance: elsewhere,
    assessedProduct: several(product, 1, 1),
    conformityTopic: exactly([TOPIC]),
    conformance: yes,
    sanitisation,
  },
  { evidence: several(link, 1, 16) }
);

// One medium; what UNTP readers see must say the same as the record.
function assessment(value) {
  const problem = assessmentMembers(value);
  if (problem !== null) return problem;
  const record = value.sanitisation;
  if (!equal(value.assessmentCriteria, [CRITERIA[record.method ?? "absent"]])) {
    return ".assessmentCriteria does not name the method of the record";
  }
  if (!equal(value.assessedPerformance, [PERFORMANCE[record.evidenceClass]])) {
    return ".assessedPerformance does not name the evidence class of the record";
  }
  if (value.assessedProduct[0].product.id !== (record.medium.id ?? value.id)) {
    return ".assessedProduct does not name the medium of the record";
  }
  if (value.assessmentDate !== record.verification.at.slice(0, 10)) {
    return ".assessmentDate is not the day of the verification";
  }
  return null;
}

const host = { manufacturer: maybeEmpty, model: maybeEmpty, serial: maybeEmpty };
const certificateWipe = thing(
  {
    training: flag,
    workOrder: thing({ id: urn, digestMultibase: text(64), challenge: text(100) }),
    device: thing({ id: urn, code, hostClaimed: thing(host), hostObserved: thing({}, host) }),
    custodyCycle: whole(1),
    scope: exactly(SCOPE_SENTENCE),
  },
  { supersedes: urn, location: text(), contact: text() }
);
const endorsement = thing({
  type: exactly(["Endorsement"]),
  name: text(),
  issuingAuthority: party,
  endorsementEvidence: thing({
    linkURL: urn,
    linkName: exactly(ACCREDITATION_FILE),
    digestMultibase: text(64),
    mediaType: exactly("application/vc"),
  }),
});
const place = pattern("0|[1-9][0-9]{0,8}", "a number in digits");
const status = thing(
  {
    type: exactly("BitstringStatusListEntry"),
    statusPurpose: exactly("revocation"),
    statusListIndex: place,
    statusListCredential: uri,
  },
  { id: uri }
);

function credential(type, subject, wipe, { until, listed = true }) {
  return thing(
    {
      "@context": elsewhere,
      id: urn,
      type: exactly(type),
      issuer,
      validFrom: moment,
      name: text(),
      wipe,
      credentialSubject: subject,
      proof: elsewhere,
      ...(until ? { validUntil: moment } : {}),
    },
    listed ? { credentialStatus: status } : {}
  );
}

function attestation(assured, more, each, most) {
  return thing({
    type: exactly(["ConformityAttestation"]),
    id: urn,
    name: text(),
    assessorLevel: exactly("3rdParty"),
    assessmentLevel: oneOf(assured, "no-endorsement"),
    attestationType: exactly("certification"),
    issuedToParty: party,
    referenceScheme: exactly(SCHEME),
    conformityAssessment: several(each, 1, most),
    ...more,
  });
}

export const CERTIFICATE = credential(
  CERTIFICATE_TYPE,
  attestation("scheme-cab", { authorisation: several(endorsement, 1, 1) }, assessment, 64),
  certificateWipe,
  { until: false }
);

// ---- accreditation

const scope = thing({
  methods: several(level, 1, LEVELS.length),
  mediaKinds: several(kind, 1, MEDIUM_KINDS.length),
  keys: several(method, 1, 64),
});
const accreditationMembers = credential(
  ACCREDITATION_TYPE,
  attestation(
    "scheme-self",
    {},
    thing({
      type: exactly(["ConformityAssessment"]),
      id: urn,
      name: text(),
      assessmentCriteria: exactly([CRITERIA.accreditation]),
      assessmentDate: day,
      assessedPerformance: exactly([ADMITTED]),
      conformityTopic: exactly([TOPIC]),
      conformance: yes,
      accreditationScope: scope,
    }),
    1
  ),
  thing({ training: flag }),
  { until: true }
);

/** An accreditation; its keys belong to the centre, and each is listed once. */
export function ACCREDITATION(value) {
  const problem = accreditationMembers(value);
  if (problem !== null) return problem;
  const subject = value.credentialSubject;
  return ownKeys(subject.conformityAssessment[0].accreditationScope.keys, subject.issuedToParty.id);
}

function ownKeys(keys, owner) {
  if (new Set(keys.map((key) => key.id)).size !== keys.length) return " lists a key's id twice";
  if (new Set(keys.map((key) => key.publicKeyMultibase)).size !== keys.length) return " lists a key twice";
  const foreign = keys.find((key) => key.controller !== owner || !key.id.startsWith(`${owner}#`));
  return foreign ? ` lists the key ${foreign.id}, which belongs to somebody else` : null;
}

// ---- work order

const orderedMedium = thing(
  { id: urn, kind, model: maybeEmpty, serial: maybeEmpty },
  { manufacturer: maybeEmpty, wwn: name, sizeBytes: whole() }
);
const workOrderMembers = credential(
  WORK_ORDER_TYPE,
  thing(
    {
      type: exactly(["WipeWorkOrder"]),
      device: thing({ id: urn, code, manufacturer: maybeEmpty, model: maybeEmpty, serial: maybeEmpty }),
      custodyCycle: whole(1),
      centre: party,
      media: several(orderedMedium, 1, 64),
      challenge: pattern("z[1-9A-HJ-NP-Za-km-z]{22,88}", "16 or more random bytes in multibase base58btc"),
      policy: name,
    },
    { supersedes: urn }
  ),
  thing({ training: flag }, { credentialStatus: status }),
  { until: true, listed: false }
);

/** A work order; each medium is expected once. */
export function WORK_ORDER(value) {
  const problem = workOrderMembers(value);
  if (problem !== null) return problem;
  const media = value.credentialSubject.media;
  return new Set(media.map((each) => each.id)).size === media.length ? null : " expects the same medium twice";
}

// ---- status list

const since = { compromisedSince: moment };

/** A status list, of certificates or of accreditations. */
export const STATUS_LIST = thing({
  "@context": elsewhere,
  id: uri,
  type: exactly(STATUS_LIST_TYPE),
  issuer,
  validFrom: moment,
  validUntil: moment,
  name: text(),
  wipe: thing({
    training: flag,
    revocations: several(thing({ statusListIndex: place, at: moment, reason: text(500) }, since), 0, 1024),
    revokedKeys: several(
      thing({ verificationMethod: didUrl, publicKeyMultibase: key, at: moment, reason: text(500) }, since),
      0,
      1024
    ),
  }),
  credentialSubject: thing({
    id: uri,
    type: exactly("BitstringStatusList"),
    statusPurpose: exactly("revocation"),
    encodedList: text(MAX_BYTES),
  }),
  proof: elsewhere,
});

// ---- keys

const didDocumentMembers = thing({
  "@context": exactly(DID_CONTEXT),
  id: did,
  verificationMethod: several(method, 1, 64),
  assertionMethod: several(didUrl, 0, 64),
});

function didDocument(value) {
  return didDocumentMembers(value) ?? ownKeys(value.verificationMethod, value.id);
}

// A verifier key of C2SP signed-note: name, key id, and the type of key with the key. Read in full by log.js.
const vkey = pattern("[!-*,-~]{1,200}\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]{8,2800}={0,2}", "a verifier key (name+id+key)");

const keyEnd = thing({ id: didUrl, until: moment }, since);

const trustMembers = thing(
  {
    type: exactly("WipeTrust"),
    version: exactly(1),
    training: flag,
    updated: moment,
    parties: several(
      thing(
        { name, roles: several(oneOf(...ROLES), 1, ROLES.length), didDocument },
        { until: moment, keyEnds: several(keyEnd, 1, 64) }
      )
    ),
  },
  {
    logs: several(thing({ origin: pattern("[!-*,-~]{1,200}", "the origin of a log"), vkey, name }), 1, 16),
    witnesses: several(thing({ vkey, name }), 0, 64),
    witnessesNeeded: whole(),
  }
);

/** A trust file; it asks for no more witnesses than it names, names none without a log, and only accreditors end. */
export function TRUST(value) {
  const problem = trustMembers(value);
  if (problem !== null) return problem;
  for (const party of value.parties) {
    const { name: called, roles, until } = party;
    if (until !== undefined && !equal(roles, [ACCREDITOR])) return ` ends ${called}, which is not an accreditor alone`;
    const ends = keyEndsProblem(party);
    if (ends !== null) return ends;
  }
  const present = ["logs", "witnesses", "witnessesNeeded"].filter((each) => each in value);
  if (present.length !== 0 && present.length !== 3) {
    return ` has ${present.join(" and ")} but not all of logs, witnesses and witnessesNeeded`;
  }
  if (present.length && value.witnessesNeeded > value.witnesses.length) {
    return ` asks for ${value.witnessesNeeded} witnesses but names ${value.witnesses.length}`;
  }
  return null;
}

// Ends are of the party's own keys, one for each.
function keyEndsProblem({ name: called, didDocument: { verificationMethod }, keyEnds = [] }) {
  const listed = new Set(verificationMethod.map((each) => each.id));
  const ended = keyEnds.map((end) => end.id);
  if (new Set(ended).size !== ended.length || ended.some((id) => !listed.has(id))) {
    return ` ends a key twice, or one that ${called} does not have`;
  }
  return null;
}
