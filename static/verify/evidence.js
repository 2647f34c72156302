// What each evidence class must show, for one line (wipe_agent/certificate/evidence.py).

import { described } from "./statement.js";

// The fastest sustained rate a medium of the kind can have, in bytes per second, with room to spare.
const FASTEST = {
  hdd: 1_000_000_000,
  ssd: 3_000_000_000,
  nvme: 32_000_000_000,
  emmc: 1_000_000_000,
  ufs: 8_000_000_000,
  sd: 4_000_000_000,
  usb: 6_000_000_000,
};

/** Why the line does not show what its evidence class claims, as a sentence, or null. */
export function evidenceProblem(line) {
  const name = described(line);
  if ((line.level === null) !== (line.evidenceClass === "absent")) {
    return `For ${name} the method and the evidence do not fit: only an absent medium has no method.`;
  }
  if ((line.level === "destroy") !== (line.evidenceClass === "destroyed")) {
    return `For ${name} the method and the evidence do not fit: destroy goes with destroyed.`;
  }
  if (line.badBlocks && line.level === "purge") {
    return `${name} has ${line.badBlocks} bad blocks, so it cannot be certified as purged.`;
  }
  if (line.bytesUnreadable && !line.badBlocks) {
    return `${name} has ${line.bytesUnreadable} bytes that could not be read, but no bad blocks.`;
  }
  // Each is below 2^53, but their sum may not be: numbers of any size keep it exact.
  const seen = BigInt(line.bytesRead) + BigInt(line.bytesUnreadable);
  if (line.evidenceClass === "full-read" && seen !== BigInt(line.sizeBytes)) {
    return (
      `${name} has ${line.sizeBytes} bytes, but ${line.bytesRead} were read back. ` +
      "Full-read means every byte: read it back again."
    );
  }
  const problem = line.evidenceClass === "sampled-read" ? samplingProblem(line, name) : null;
  if (problem !== null) return problem;
  if (line.evidenceClass === "absent") {
    if (line.serial || line.wwn || line.sizeBytes) return `${name} is certified as absent, and yet identified.`;
    if (line.validator === null || line.evidence.length === 0) {
      return `The absence of ${name} needs two people and a photograph. One is missing.`;
    }
  }
  if (line.validator !== null && folded(line.validator) === folded(line.operator)) {
    return `${name} was validated by the operator who wiped it. A second person must do that.`;
  }
  return null;
}

/** Why the line's times are too short to be true, as a sentence, or null. */
export function durationProblem(line) {
  const fastest = FASTEST[line.kind];
  if (fastest === undefined) return null;
  // Times are cut to whole seconds, so each span may be a second longer than it looks.
  const most = (from, to) => BigInt(fastest) * BigInt(to - from + 1);
  if (BigInt(line.bytesRead) > most(line.ended, line.verified)) {
    return `${described(line)} was read back faster than such a medium can be read.`;
  }
  if (line.technique.startsWith("overwrite") && BigInt(line.sizeBytes) > most(line.started, line.ended)) {
    return `${described(line)} was overwritten faster than such a medium can be written.`;
  }
  return null;
}

function samplingProblem(line, name) {
  const sampling = line.sampling;
  if (sampling === null) {
    return `${name} was read in samples, but the certificate does not say how they were drawn.`;
  }
  if (sampling.fractionPpm >= 1_000_000 || sampling.confidencePpm >= 1_000_000) {
    return `${name} was read in samples that are said to show everything. Read it in full.`;
  }
  const needed = Math.ceil(Math.log(1 - sampling.confidencePpm / 1e6) / Math.log(1 - sampling.fractionPpm / 1e6));
  if (sampling.samples < needed) {
    return `${name} was read in ${sampling.samples} samples; the stated confidence needs ${needed}.`;
  }
  return null;
}

// Names that differ in nothing but case and blanks are one person's.
function folded(name) {
  return name.toUpperCase().toLowerCase().split(/\s+/u).filter(Boolean).join(" ");
}
