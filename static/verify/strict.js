// The strict reader of JSON, and the one way of writing it: what wipe_agent/certificate/strict.py does, in a browser.
//
// JSON.parse would take a member twice, a fraction and -0, and would not say so. Two readers could then see two
// documents under one signature. So this reads JSON itself, and refuses in words what can be read in two ways.

export const MAX_BYTES = 65_536;
const MAX_VALUES = 4_096;
const MAX_DEPTH = 16;

/** What was given cannot be read; the message is a sentence that says why. */
export class Unreadable extends Error {}

/** Read one document from bytes; `what` names it in refusals. Throws Unreadable, and nothing else. */
export function read(bytes, what = "document") {
  if (bytes.length > MAX_BYTES) {
    throw new Unreadable(`The ${what} has ${bytes.length} bytes. More than ${MAX_BYTES} are not read.`);
  }
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Unreadable(`The ${what} is not UTF-8: a byte in it cannot be read.`);
  }
  if (text.startsWith("\ufeff")) {
    throw new Unreadable(`The ${what} begins with a byte order mark. Save it without one.`);
  }
  const document = new Reader(text, what).whole();
  if (!isObject(document)) throw new Unreadable(`The ${what} is not a JSON object.`);
  if (count(document) > MAX_VALUES) throw new Unreadable(`The ${what} has more than ${MAX_VALUES} values.`);
  requirePlainText(document, what);
  return document;
}

/** Read one document, with the bytes that were signed (without its proof) and the bytes of its digest (whole). */
export function readSigned(bytes, what) {
  const document = read(bytes, what);
  const unsigned = Object.assign(Object.create(null), document);
  delete unsigned.proof;
  return { document, unsigned: canonical(unsigned), form: canonical(document) };
}

/** The canonical form (RFC 8785) of a document that the strict reader took, as bytes. */
export function canonical(value) {
  return new TextEncoder().encode(written(value));
}

function written(value) {
  if (Array.isArray(value)) return `[${value.map(written).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${written(value[name])}`).join(",")}}`;
}

/** Whether a value is an object of JSON: no list, no null. */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The first letters of a text. What looks like one letter counts as one, as it does in Python. */
export function cut(text, most) {
  return Array.from(text).slice(0, most).join("");
}

const WORDS = { true: true, false: false, null: null };
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

class Reader {
  constructor(text, what) {
    this.text = text;
    this.what = what;
    this.at = 0;
  }

  whole() {
    const value = this.value(1);
    this.blanks();
    if (this.at < this.text.length) this.notJson();
    return value;
  }

  value(depth) {
    this.blanks();
    const sign = this.text[this.at];
    if (sign === "{" || sign === "[") {
      if (depth > MAX_DEPTH) throw new Unreadable(`The ${this.what} is nested deeper than ${MAX_DEPTH} levels.`);
      return sign === "{" ? this.object(depth) : this.list(depth);
    }
    if (sign === '"') return this.string();
    const number = this.match(/-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y);
    if (number) return this.number(number[0], number[1] || number[2]);
    const word = this.match(/true|false|null/y);
    if (word) return WORDS[word[0]];
    const constant = this.match(/NaN|-?Infinity/y);
    if (constant) this.refuse(`has ${constant[0]}, which is not JSON.`);
    return this.notJson();
  }

  object(depth) {
    const members = Object.create(null); // so that no name, not even __proto__, means anything
    if (this.begins("}")) return members;
    let twice = null;
    do {
      this.blanks();
      if (this.text[this.at] !== '"') this.notJson();
      const name = this.string();
      this.blanks();
      if (this.text[this.at++] !== ":") this.notJson();
      const value = this.value(depth + 1);
      if (name in members) twice ??= name;
      members[name] = value;
    } while (this.more("}"));
    if (twice !== null) this.refuse(`has the member ${quoted(twice)} twice in one object.`);
    return members;
  }

  list(depth) {
    const items = [];
    if (this.begins("]")) return items;
    do items.push(this.value(depth + 1));
    while (this.more("]"));
    return items;
  }

  string() {
    let said = "";
    this.at += 1;
    for (;;) {
      const run = this.match(/[^"\\\u0000-\u001f]*/y);
      said += run[0];
      const sign = this.text[this.at++];
      if (sign === '"') return said;
      if (sign !== "\\") this.notJson();
      const escape = this.text[this.at++];
      if (escape === "u") {
        const digits = this.match(/[0-9A-Fa-f]{4}/y);
        if (!digits) this.notJson();
        said += String.fromCharCode(parseInt(digits[0], 16));
      } else if (Object.hasOwn(ESCAPES, escape ?? "")) {
        said += ESCAPES[escape];
      } else {
        this.notJson();
      }
    }
  }

  number(digits, fraction) {
    if (fraction !== undefined) this.refuse(`has the number ${digits.slice(0, 24)}. Only whole numbers are read.`);
    const number = Number(digits);
    if (digits.length > 17 || !Number.isSafeInteger(number)) {
      this.refuse(`has the number ${digits.slice(0, 24)}. Whole numbers go up to 2^53 - 1.`);
    }
    if (digits === "-0") this.refuse("has the number -0. Write 0.");
    return number;
  }

  begins(end) {
    this.at += 1;
    this.blanks();
    if (this.text[this.at] !== end) return false;
    this.at += 1;
    return true;
  }

  more(end) {
    this.blanks();
    const sign = this.text[this.at++];
    if (sign !== "," && sign !== end) this.notJson();
    return sign === ",";
  }

  blanks() {
    this.match(/[ \t\n\r]*/y);
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found;
  }

  notJson() {
    const line = this.text.slice(0, this.at).split("\n").length;
    this.refuse(`is not JSON: it cannot be read at line ${line}.`);
  }

  refuse(rest) {
    throw new Unreadable(`The ${this.what} ${rest}`);
  }
}

function count(value) {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce((sum, each) => sum + count(each), 1);
}

const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

function requirePlainText(value, what) {
  if (typeof value === "string") {
    if (/\p{Surrogate}/u.test(value)) {
      throw new Unreadable(`The ${what} has half a character (a lone surrogate) in ${quoted(value)}.`);
    }
    if (UNPRINTABLE.test(value)) throw new Unreadable(`The ${what} has a control character in ${quoted(value)}.`);
  } else if (Array.isArray(value)) {
    for (const item of value) requirePlainText(item, what);
  } else if (isObject(value)) {
    for (const [name, member] of Object.entries(value)) {
      if (/[^\u0000-\u007f]/.test(name)) {
        throw new Unreadable(`The ${what} has the member name ${quoted(name)}. Names are ASCII.`);
      }
      requirePlainText(name, what);
      requirePlainText(member, what);
    }
  }
}

// As Python's json.dumps writes it: beyond ASCII, each unit as an escape. Then no mark can reorder the sentence.
function quoted(text) {
  const short = Array.from(text).length <= 40 ? text : `${cut(text, 40)}...`;
  return JSON.stringify(short).replace(
    /[^\u0000-\u007e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
  );
}
