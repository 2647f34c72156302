"""The exact strings of the certificate format: contexts, types, kinds, classes, levels, file names.

Nothing here is fetched. The contexts and the scheme are identifiers: a verifier compares them
letter by letter.
"""

from typing import Final

W3C_CONTEXT: Final = "https://www.w3.org/ns/credentials/v2"
UNTP_CONTEXT: Final = "https://vocabulary.uncefact.org/untp/0.7.0/context/"
WIPE_CONTEXT: Final = "https://w3id.org/ewaste/wipe/v1"
CONTEXT: Final = (W3C_CONTEXT, UNTP_CONTEXT, WIPE_CONTEXT)
"""The only `@context` that any of the three credentials may carry, in this order."""

DID_CONTEXT: Final = ("https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1")

CERTIFICATE_TYPE: Final = ("VerifiableCredential", "DigitalConformityCredential", "WipeCertificate")
ACCREDITATION_TYPE: Final = ("VerifiableCredential", "DigitalConformityCredential", "WipeAccreditation")
WORK_ORDER_TYPE: Final = ("VerifiableCredential", "WipeWorkOrder")
STATUS_LIST_TYPE: Final = ("VerifiableCredential", "BitstringStatusListCredential")

CRYPTOSUITE: Final = "eddsa-jcs-2022"

MEDIUM_KINDS: Final = ("hdd", "ssd", "nvme", "emmc", "ufs", "sd", "usb", "sim", "phone-storage", "other")
EVIDENCE_CLASSES: Final = (
    "full-read",
    "sampled-read",
    "device-reported",
    "operator-witnessed",
    "destroyed",
    "absent",
)
LEVELS: Final = ("clear", "purge", "destroy")
"""NIST SP 800-88 Rev. 2 calls these methods; the technique is the command that was used."""

ACCREDITOR: Final = "accreditor"
MARKETPLACE: Final = "marketplace"
ROLES: Final = (ACCREDITOR, MARKETPLACE)
"""What a party in a trust file may be trusted to sign: accreditations, or work orders."""

CERTIFICATE_FILE: Final = "certificate.json"
ACCREDITATION_FILE: Final = "accreditation.json"
WORK_ORDER_FILE: Final = "work-order.json"
DIDS_FILE: Final = "dids.json"
LOG_PROOF_FILE: Final = "log-proof.txt"
STATUS_FILE: Final = "status.json"
ACCREDITATION_STATUS_FILE: Final = "accreditation-status.json"
JWT_FILE: Final = "certificate.jwt"

KIND_NAMES: Final = {
    "hdd": "hard disk",
    "ssd": "solid-state drive",
    "nvme": "NVMe drive",
    "emmc": "eMMC storage",
    "ufs": "UFS storage",
    "sd": "memory card",
    "usb": "USB stick",
    "sim": "SIM card",
    "phone-storage": "phone storage",
    "other": "storage medium",
}
"""What people call a kind of medium."""
