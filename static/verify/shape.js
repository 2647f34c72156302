// Say what a document must look like, and find out what is wrong with one (wipe_agent/certificate/shape.py).
//
// A test takes a value and gives null, or where and how the value differs, as the end of a sentence. Objects are
// closed: an unknown member is refused, because a reader could believe it.

import { isDigest } from "./multibase.js";
import { canonical, cut, isObject } from "./strict.js";
import { isDay, isTime } from "./times.js";

/** The whole sentence. A problem begins with the path to its place, or with a blank when it is about the whole. */
export function misshapen(what, problem) {
  return `The ${what} does not follow the format: ${problem[0] === "." ? problem.slice(1) : `it${problem}`}.`;
}

/** An object with these members and no others. */
export function thing(required, optional = {}) {
  return (value) => {
    if (!isObject(value)) return " is not an object";
    for (const name of Object.keys(value)) {
      if (!Object.hasOwn(required, name) && !Object.hasOwn(optional, name)) {
        return ` has the unknown member ${named(cut(name, 40))}`;
      }
    }
    for (const name of Object.keys(optional)) {
      const problem = name in value ? optional[name](value[name]) : null;
      if (problem !== null) return `.${name}${problem}`;
    }
    for (const name of Object.keys(required)) if (!(name in value)) return ` has no ${name}`;
    for (const name of Object.keys(required)) {
      const problem = required[name](value[name]);
      if (problem !== null) return `.${name}${problem}`;
    }
    return null;
  };
}

/** A list of `least` to `most` items. */
export function several(item, least = 0, most = 256) {
  return (value) => {
    if (!Array.isArray(value)) return " is not a list";
    if (value.length < least || value.length > most) {
      return ` has ${value.length} items; ${least} to ${most} are admitted`;
    }
    for (const [number, each] of value.entries()) {
      const problem = item(each);
      if (problem !== null) return `[${number}]${problem}`;
    }
    return null;
  };
}

/** A text of `least` to `most` characters; what takes two units of UTF-16 counts once. */
export function text(most = 400, least = 1) {
  return (value) => {
    const length = typeof value === "string" ? Array.from(value).length : -1;
    return length >= least && length <= most ? null : ` is not a text of ${least} to ${most} characters`;
  };
}

/** This value and no other. */
export function exactly(expected) {
  return (value) => (equal(value, expected) ? null : " is not what the format says");
}

/** One of these texts. */
export function oneOf(...values) {
  return (value) => (values.includes(value) ? null : ` is not one of ${values.join(", ")}`);
}

/** A text that matches the whole expression; `what` says it in words. */
export function pattern(expression, what) {
  const whole = new RegExp(`^(?:${expression})$`);
  return (value) => (typeof value === "string" && whole.test(value) ? null : ` is not ${what}`);
}

/** A whole number. */
export function whole(least = 0) {
  return (value) => (Number.isInteger(value) && value >= least ? null : ` is not a whole number from ${least} on`);
}

/** True or false. */
export const flag = (value) => (typeof value === "boolean" ? null : " is not true or false");
/** True. */
export const yes = (value) => (value === true ? null : " is not true");
/** A time. */
export const moment = (value) => (isTime(value) ? null : " is not a time written as 2026-01-31T12:00:00Z");
/** A date. */
export const day = (value) => (isDay(value) ? null : " is not a date written as 2026-01-31");
/** The digest of another document. */
export const digest = (value) => (typeof value === "string" && isDigest(value) ? null : " is not a digest");

const HEX = "[0-9a-f]";
export const urn = pattern(`urn:uuid:${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}`, "a urn:uuid in small letters");
export const did = pattern("did:[a-z0-9]{1,32}:[A-Za-z0-9._:%-]{1,200}", "a DID");
export const didUrl = pattern("did:[a-z0-9]{1,32}:[A-Za-z0-9._:%-]{1,200}#[A-Za-z0-9._-]{1,100}", "a DID with #key");
export const code = pattern("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "a short code");
export const uri = pattern("[A-Za-z][A-Za-z0-9+.-]{1,30}:[!-~]{1,400}", "an address or URN");

/** Whether two values of JSON are the same. */
export function equal(one, other) {
  const [left, right] = [one, other].map((value) => new TextDecoder().decode(canonical(value ?? null)));
  return left === right;
}

/** A text between quotation marks, as Python's repr writes it. */
export function named(value) {
  const text = String(value).replace(/\\/g, "\\\\").replace(/(?! )[\p{C}\p{Z}]/gu, escaped);
  return text.includes("'") && !text.includes('"') ? `"${text}"` : `'${text.replace(/'/g, "\\'")}'`;
}

const SHORT = { "\t": "\\t", "\n": "\\n", "\r": "\\r" };

// What is not seen, or reorders what is seen, as Python writes it.
function escaped(sign) {
  const hex = sign.codePointAt(0).toString(16);
  if (hex.length <= 2) return SHORT[sign] ?? `\\x${hex.padStart(2, "0")}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
