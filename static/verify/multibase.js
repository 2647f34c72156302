// Bytes as text: base58btc with its z, digests of documents, and Ed25519 public keys (wipe_agent/certificate/multibase.py).
//
// Each value has exactly one spelling; any other is refused. So are public keys of small order, for which one
// signature can fit many messages. Only public things pass through here, so nothing needs constant time.

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** The bytes of a base58btc multibase text; `size` is how many they must be. Throws an Error that says why not. */
export function decode(text, size) {
  if (text[0] !== "z") throw new Error("It does not begin with z (base58btc).");
  const digits = text.slice(1);
  if (Array.from(digits).length > 128) throw new Error("It is too long.");
  let number = 0n;
  for (const digit of digits) {
    const value = ALPHABET.indexOf(digit);
    if (value < 0) throw new Error("It has a character that base58 does not use.");
    number = number * 58n + BigInt(value);
  }
  const bytes = [];
  for (; number > 0n; number >>= 8n) bytes.unshift(Number(number & 255n));
  bytes.unshift(...new Array(digits.length - digits.replace(/^1+/, "").length).fill(0));
  if (size !== undefined && bytes.length !== size) {
    throw new Error(`It holds ${bytes.length} bytes instead of ${size}.`);
  }
  return Uint8Array.from(bytes);
}

/** Multibase base58btc: the letter z and the digits. */
export function encode(bytes) {
  let number = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  let digits = "";
  for (; number > 0n; number /= 58n) digits = ALPHABET[Number(number % 58n)] + digits;
  const first = bytes.findIndex((byte) => byte !== 0);
  return `z${"1".repeat(first < 0 ? bytes.length : first)}${digits}`;
}

/** SHA-256 of bytes. */
export async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** The digest that links one document to another: base58btc of the sha2-256 multihash of its canonical bytes. */
export async function digestOf(bytes) {
  return encode(Uint8Array.of(0x12, 0x20, ...(await sha256(bytes))));
}

/** Whether the text is a digest as `digestOf` writes it. */
export function isDigest(text) {
  try {
    const bytes = decode(text, 34);
    return bytes[0] === 0x12 && bytes[1] === 0x20;
  } catch {
    return false;
  }
}

/** The 32 bytes of a Multikey's Ed25519 public key. Throws an Error when it is none, or of small order. */
export function publicKey(text) {
  const bytes = decode(text, 34);
  if (bytes[0] !== 0xed || bytes[1] !== 0x01) throw new Error("It is not an Ed25519 public key.");
  const key = bytes.slice(2);
  refuseUnsafePoint(key);
  return key;
}

// The curve is -x^2 + y^2 = 1 + d x^2 y^2 over the field of this prime (RFC 8032, section 5.1).
const P = 2n ** 255n - 19n;
const D = mod(-121665n * power(121666n, P - 2n));
// The y of the eight points whose order divides eight.
const SMALL_ORDER_Y = [
  0n,
  1n,
  P - 1n,
  2707385501144840649318225287225658788936804267575313519463743609750303402022n,
  55188659117513257062467267217118295137698188065244968500265048394206261417927n,
];

/** Throws an Error when 32 bytes are no public key that is safe to verify with. */
export function refuseUnsafePoint(key) {
  const y = key.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n) & ((1n << 255n) - 1n);
  if (y >= P) throw new Error("The public key is not in its one spelling.");
  if (SMALL_ORDER_Y.includes(y)) {
    throw new Error("The public key has small order: one signature could fit many messages.");
  }
  const xSquared = mod((y * y - 1n) * power(mod(D * y * y + 1n), P - 2n));
  if (power(xSquared, (P - 1n) / 2n) !== 1n) throw new Error("The public key is not a point of the curve.");
}

function mod(number) {
  const rest = number % P;
  return rest < 0n ? rest + P : rest;
}

function power(base, exponent) {
  let result = 1n;
  for (let square = mod(base); exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}
