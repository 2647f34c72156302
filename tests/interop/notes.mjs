// Signed notes with node's own crypto and nothing else, written from the texts of C2SP: signed-note, tlog-checkpoint,
// tlog-cosignature (Ed25519) and tlog-proof. No code of ours is in it.
import {createHash, createPublicKey, verify} from 'node:crypto';
import {decode as base58} from 'base58-universal';

/** The two kinds of signature: over the text (a log's), and over a time and the text (a witness's). */
export const LOG = 1;
export const WITNESS = 4;

const sha256 = (...parts) => parts.reduce((digest, part) => digest.update(part), createHash('sha256')).digest();
const base64 = text => {
  const bytes = Buffer.from(text, 'base64');
  if(bytes.toString('base64') !== text) {
    throw new Error(`${text} is no base64.`);
  }
  return bytes;
};

/** A key under which signatures count. */
export function key(name, kind, raw) {
  return {
    name, kind, id: sha256(`${name}\n`, Buffer.of(kind), raw).subarray(0, 4),
    key: createPublicKey({key: {kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url')}, format: 'jwk'})
  };
}

/** The key of a vkey, `name+id+base64(kind and key)`. Throws when its id is not its own. */
export function keyOfVkey(text) {
  const [, name, id, material] = /^([^\s+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text);
  const data = base64(material);
  const made = key(name, data[0], data.subarray(1));
  if(made.id.toString('hex') !== id) {
    throw new Error(`The key id of ${name} is not its own.`);
  }
  return made;
}

/** The key of a witness whose key is a verification method of a DID document, under that method's name. */
export function keyOfMethod(method) {
  const bytes = Buffer.from(base58(method.publicKeyMultibase.slice(1)));
  if(method.publicKeyMultibase[0] !== 'z' || bytes.length !== 34 || bytes.readUInt16BE() !== 0xed01) {
    throw new Error(`${method.id} is no Ed25519 key.`);
  }
  return key(method.id, WITNESS, bytes.subarray(2));
}

/** Read a note and verify it under these keys: {text, signedBy: [{name, kind, at}]}. Throws for what does not hold. */
export function opened(note, keys) {
  // eslint-disable-next-line no-control-regex
  if(/[\x00-\x09\x0b-\x1f]/.test(note) || !note.endsWith('\n')) {
    throw new Error('The note has control characters, or does not end its last line.');
  }
  const gap = note.lastIndexOf('\n\n');
  const text = note.slice(0, gap + 1);
  if(gap < 1) {
    throw new Error('The note has no signatures.');
  }
  const signedBy = [];
  for(const line of note.slice(gap + 2, -1).split('\n')) {
    const [, name, encoded] = /^— ([^\s+]+) (\S+)$/.exec(line) ?? [];
    if(name === undefined) {
      throw new Error(`This is no line of a signature: ${line}`);
    }
    const bytes = base64(encoded);
    const known = keys.find(each => each.name === name && each.id.equals(bytes.subarray(0, 4)));
    if(known === undefined) {
      continue;
    }
    const at = known.kind === WITNESS ? bytes.readBigUInt64BE(4) : null;
    const said = known.kind === WITNESS ? `cosignature/v1\ntime ${at}\n${text}` : text;
    const signature = bytes.subarray(known.kind === WITNESS ? 12 : 4);
    if(signature.length !== 64 || !verify(null, Buffer.from(said), known.key, signature)) {
      throw new Error(`The signature of ${name} does not hold.`);
    }
    signedBy.push({name, kind: known.kind, at});
  }
  if(signedBy.length === 0) {
    throw new Error('Nobody signed it whose key is known.');
  }
  return {text, signedBy};
}

/** A checkpoint's note, verified: {origin, size, root, signedBy}. The log itself must have signed. */
export function checkpoint(note, keys) {
  const {text, signedBy} = opened(note, keys);
  const [origin, size, root, ...rest] = text.slice(0, -1).split('\n');
  if(!/^(0|[1-9][0-9]*)$/.test(size) || base64(root).length !== 32 || rest.includes('')) {
    throw new Error('The text is no checkpoint.');
  }
  if(!signedBy.some(each => each.kind === LOG && each.name === origin)) {
    throw new Error(`${origin} did not sign it itself.`);
  }
  return {origin, size: Number(size), root: base64(root), signedBy};
}

/** A proof file, read and not yet checked: {index, path, note}. */
export function proofFile(text) {
  const gap = text.indexOf('\n\n');
  const [head, index, ...path] = text.slice(0, gap).split('\n');
  const [, number] = /^index (0|[1-9][0-9]*)$/.exec(index) ?? [];
  if(head !== 'c2sp.org/tlog-proof@v1' || number === undefined) {
    throw new Error('The file is no proof of a log.');
  }
  return {index: Number(number), path: path.map(base64), note: text.slice(gap + 2)};
}
