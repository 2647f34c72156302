// The exact strings of the certificate format (wipe_agent/certificate/vocabulary.py). Nothing here is fetched.

export const CONTEXT = [
  "https://www.w3.org/ns/credentials/v2",
  "https://vocabulary.uncefact.org/untp/0.7.0/context/",
  "https://w3id.org/ewaste/wipe/v1",
];
export const DID_CONTEXT = ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"];
export const CERTIFICATE_TYPE = ["VerifiableCredential", "DigitalConformityCredential", "WipeCertificate"];
export const ACCREDITATION_TYPE = ["VerifiableCredential", "DigitalConformityCredential", "WipeAccreditation"];
export const STATUS_LIST_TYPE = ["VerifiableCredential", "BitstringStatusListCredential"];
export const WORK_ORDER_TYPE = ["VerifiableCredential", "WipeWorkOrder"];
export const CRYPTOSUITE = "eddsa-jcs-2022";
export const EVIDENCE_CLASSES = [
  "full-read",
  "sampled-read",
  "device-reported",
  "operator-witnessed",
  "destroyed",
  "absent",
];
export const LEVELS = ["clear", "purge", "destroy"];
export const ACCREDITOR = "accreditor";
export const MARKETPLACE = "marketplace";
export const ROLES = [ACCREDITOR, MARKETPLACE];
export const CERTIFICATE_FILE = "certificate.json";
export const ACCREDITATION_FILE = "accreditation.json";
export const WORK_ORDER_FILE = "work-order.json";
export const DIDS_FILE = "dids.json";
export const LOG_PROOF_FILE = "log-proof.txt";
export const STATUS_FILE = "status.json";
export const ACCREDITATION_STATUS_FILE = "accreditation-status.json";
export const JWT_FILE = "certificate.jwt";
export const KIND_NAMES = {
  hdd: "hard disk",
  ssd: "solid-state drive",
  nvme: "NVMe drive",
  emmc: "eMMC storage",
  ufs: "UFS storage",
  sd: "memory card",
  usb: "USB stick",
  sim: "SIM card",
  "phone-storage": "phone storage",
  other: "storage medium",
};
export const MEDIUM_KINDS = Object.keys(KIND_NAMES);

const TERM = `${CONTEXT[2]}#`;
export const SCOPE_SENTENCE =
  "This certificate says what was done to the listed media on the stated dates, and by what evidence. " +
  "It says nothing of media that are not listed, of cloud accounts, or of later use.";
export const SCHEME = {
  type: ["ConformityScheme"],
  id: `${TERM}scheme`,
  name: "Proof of data wiping for used devices, version 1",
};
export const TOPIC = { id: `${TERM}data-sanitisation`, name: "data sanitisation" };
export const CRITERIA = Object.fromEntries(
  Object.entries({
    clear: "NIST SP 800-88 Rev. 2: Clear",
    purge: "NIST SP 800-88 Rev. 2: Purge",
    destroy: "NIST SP 800-88 Rev. 2: Destroy",
    absent: "No storage medium is present, shown by evidence",
    accreditation: "Competence to sanitise and to check storage media",
  }).map(([key, name]) => [key, { type: ["Criterion"], id: TERM + key, name }])
);
export const PERFORMANCE = Object.fromEntries(
  EVIDENCE_CLASSES.map((code) => [
    code,
    {
      type: ["Performance"],
      metric: { type: ["PerformanceMetric"], id: `${TERM}evidence-class`, name: "evidence class" },
      score: { type: ["Score"], code },
    },
  ])
);
export const ADMITTED = { type: ["Performance"], score: { type: ["Score"], code: "admitted" } };
