// The log that a market publishes: its checkpoints, tiles, entries and proofs, as anybody reads them. Trees and proofs by
// @transmute/rfc9162, signatures by node's own crypto (notes.mjs), the digests of documents by canonicalize.
import {createHash, generateKeyPairSync, sign} from 'node:crypto';
import {RFC9162 as rfc9162} from '@transmute/rfc9162';
import {encode as base58} from 'base58-universal';
import canonicalize from 'canonicalize';
import {checkpoint, keyOfMethod, keyOfVkey, proofFile, WITNESS} from './notes.mjs';

const WIDTH = 256;
const hex = bytes => Buffer.from(bytes).toString('hex');
const plain = bytes => Uint8Array.from(bytes);

/** The digest of a document: SHA-256 of its canonical form as a multihash in base58btc. */
export const digestOf = document => 'z' + base58(Buffer.concat([
  Buffer.of(0x12, 0x20), createHash('sha256').update(canonicalize(document)).digest()]));

/**
 * The questions: name → [items, ask], and those of tampered forms, whose `ask` must not answer null.
 *
 * `log` is what was collected, {checkpoints, tiles, proofs, statements: name → bytes, growth}; `certificates`, `proofs`
 * and `revoked` are of the bundles, and `now` is when they were collected.
 */
export async function publishedLog({log, trust, dids, certificates, proofs, revoked, now}) {
  const keys = [
    ...trust.logs.map(each => keyOfVkey(each.vkey)),
    ...dids.flatMap(did => did.verificationMethod.map(keyOfMethod))];
  const origins = trust.logs.map(each => each.origin);
  const notes = {...texts(log.checkpoints)};
  for(const [name, text] of Object.entries({...proofs, ...texts(log.proofs)})) {
    notes[`of the proof of ${name}`] = proofFile(text).note;
  }
  const entries = readEntries(log.tiles);
  const roots = new Map();
  const rootOf = async size => {
    if(!roots.has(size)) {
      roots.set(size, hex(await rfc9162.treeHead(entries.slice(0, size))));
    }
    return roots.get(size);
  };
  const read = note => {
    const seen = checkpoint(note, keys);
    if(!origins.includes(seen.origin)) {
      throw new Error(`The trust file names no log ${seen.origin}.`);
    }
    return seen;
  };
  const leaves = entries.map(entry => JSON.parse(Buffer.from(entry)));
  const leafOf = (kind, issuer, digest) => canonicalize({digestMultibase: digest, issuer, kind, v: 1});

  // The proof of an entry: their hashes are ours, one by one, and lead to the root that the log signed.
  const proven = async (text, entry) => {
    const {index, path, note} = proofFile(text);
    const {size, root} = read(note);
    const theirs = (await rfc9162.inclusionProof(entry, entries.slice(0, size))).inclusion_path.map(hex);
    if(JSON.stringify(theirs) !== JSON.stringify(path.map(hex))) {
      return 'another proof';
    }
    return await holds({index, path, size, root, entry}) ? null : 'it does not hold';
  };
  const holds = async ({index, path, size, root, entry}) => rfc9162.verifyInclusionProof(
    plain(root), await rfc9162.leaf(plain(entry)),
    {log_id: '', tree_size: size, leaf_index: index, inclusion_path: path.map(plain)});

  const cosignatures = note => read(note).signedBy.filter(each => each.kind === WITNESS);
  const cosigned = Object.values(notes).find(note => cosignatures(note).length > 0);
  if(cosigned === undefined) {
    throw new Error('No station has signed any checkpoint that was collected.');
  }
  const files = Object.values(proofs).map(proofFile);
  const [first, second] = [files[0], files.find(each => read(each.note).size !== read(files[0].note).size)];
  const firstOf = {...first, ...read(first.note), entry: entries[first.index]};
  const digests = Object.fromEntries(Object.entries(certificates).map(([name, it]) => [name, digestOf(it)]));

  return {
    held: {
      'checkpoints are signed by the log (node crypto)': [notes, async note => read(note) && null],
      'cosignatures of stations hold (node crypto)': [
        Object.fromEntries(Object.entries(notes).flatMap(([name, note]) =>
          cosignatures(note).map(each => [`${each.name} on ${name}`, each]))),
        async ({at}) => Math.abs(Number(at) * 1000 - now) < 3_600_000 ? null : 'not in the hour in which it was collected'],
      'checkpoints have the root of the entries': [notes, async note => {
        const {size, root} = read(note);
        return await rootOf(size) === hex(root) ? null : 'another root';
      }],
      'tiles hold the hashes of the entries': [
        Object.fromEntries(Object.entries(log.tiles).filter(([name]) => !name.startsWith('tile/entries/'))),
        async (bytes, name) => {
          const [, level, groups, width = WIDTH] = /^tile\/(\d+)\/([x\d/]+)(?:\.p\/(\d+))?$/.exec(name);
          const span = WIDTH ** Number(level);
          const begin = Number(groups.replaceAll(/[x/]/g, '')) * WIDTH;
          const hashes = [];
          for(let place = begin; place < begin + Number(width); place++) {
            hashes.push(await rfc9162.treeHead(entries.slice(place * span, (place + 1) * span)));
          }
          return Buffer.concat(hashes).equals(bytes) ? null : 'other hashes';
        }],
      'the log grew as its tiles prove, hash by hash': [
        Object.fromEntries(log.growth.map(each => [`${each.old} in ${each.size}`, each])),
        async ({old, size, path}) => {
          const [before, after] = [await rootOf(old), await rootOf(size)].map(root => Buffer.from(root, 'hex'));
          const ours = path.map(hash => Buffer.from(hash, 'hex'));
          // As in log.mjs: the library has the old root itself in front where its size is a power of two.
          const whole = (old & old - 1) === 0 ? [before, ...ours] : ours;
          const theirs = await rfc9162.consistencyProof({tree_size: old}, entries.slice(0, size));
          if(JSON.stringify(theirs.consistency_path.map(hex)) !== JSON.stringify(whole.map(hex))) {
            return 'another proof';
          }
          return await rfc9162.verifyConsistencyProof(plain(before), plain(after), {
            log_id: '', tree_size_1: old, tree_size_2: size, consistency_path: whole.map(plain)
          }) ? null : 'it does not hold';
        }],
      'log proofs of certificates hold, and name their digest and centre': [proofs, (text, name) => proven(
        text, Buffer.from(leafOf('wipe-certificate', certificates[name].issuer.id, digests[name])))],
      'log proofs of everything else that has one hold': [texts(log.proofs), (text, digest) => {
        const {kind, issuer} = leaves.find(leaf => leaf.digestMultibase === digest);
        return proven(text, Buffer.from(leafOf(kind, issuer, digest)));
      }],
      'the log has these certificates and no others': [
        Object.fromEntries(leaves.filter(leaf => leaf.kind === 'wipe-certificate').map(leaf => [leaf.digestMultibase, leaf])),
        async (leaf, digest) => Object.values(digests).includes(digest) ? null : 'nobody has this certificate'],
      'published statements have the digest that the log names': [texts(log.statements), async (text, digest) =>
        digestOf(JSON.parse(text)) === digest && canonicalize(JSON.parse(text)) === text ? null : 'another digest'],
      'revoked certificates have an entry that says so': [
        Object.fromEntries(revoked.map(name => [name, digests[name]])), async digest => {
          const said = Object.entries(texts(log.statements)).filter(([, text]) => JSON.parse(text).certificate === digest);
          return said.length === 1 && leaves.some(leaf => leaf.kind === 'revocation' && leaf.digestMultibase === said[0][0])
            ? null : `${said.length} statements`;
        }]
    },
    tampered: {
      'tampered checkpoints are refused': [tamperedNotes(first.note, second.note, cosigned, keys), async note =>
        read(note) && null],
      'tampered log proofs are refused': [{
        'another place': {...firstOf, index: first.index - 1},
        'another entry': {...firstOf, entry: entries[first.index - 1]},
        'a bent hash': {...firstOf, path: first.path.map((hash, place) => place ? hash : bent(hash))},
        'a hash less': {...firstOf, path: first.path.slice(0, -1)},
        'a hash more': {...firstOf, path: [...first.path, first.path[0]]},
        'hashes in another order': {...firstOf, path: [...first.path].reverse()},
        'the hashes of another': {...firstOf, path: second.path},
        'no hashes': {...firstOf, path: []},
        'another root': {...firstOf, root: bent(firstOf.root)},
        'a smaller log': {...firstOf, size: Math.floor(firstOf.size / 2)}
      }, async item => await holds(item) ? null : 'it does not hold']
    }
  };
}

const texts = files => Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, bytes.toString('utf8')]));
const bent = bytes => Buffer.from(bytes.map((byte, place) => place === 9 ? byte ^ 1 : byte));

/** The entries of the log in order, out of its bundles: each behind its length in two bytes. */
function readEntries(tiles) {
  const entries = [];
  for(const name of Object.keys(tiles).filter(each => each.startsWith('tile/entries/')).sort()) {
    for(let rest = tiles[name]; rest.length > 0;) {
      const end = 2 + rest.readUInt16BE();
      entries.push(plain(rest.subarray(2, end)));
      rest = rest.subarray(end);
    }
  }
  return entries;
}

/** name → note: ten tampered forms of a checkpoint. `cosigned` is one with a witness's line. */
function tamperedNotes(note, other, cosigned, keys) {
  const [text, lines] = note.split('\n\n');
  const [origin, size, root] = text.split('\n');
  const logs = lines.split('\n').find(line => line.startsWith(`— ${origin} `));
  const [dash, name, encoded] = logs.split(' ');
  const signature = Buffer.from(encoded, 'base64');
  const {privateKey} = generateKeyPairSync('ed25519');
  const strange = sign(null, Buffer.from(`${text}\n`), privateKey);
  const forged = id => `${dash} ${name} ${Buffer.concat([id, strange]).toString('base64')}\n`;
  const witness = keys.find(each => each.kind === WITNESS && cosigned.includes(`— ${each.name} `));
  const witnessed = cosigned.split(`— ${witness.name} `)[1].split('\n')[0];
  const dated = Buffer.from(witnessed, 'base64');
  dated.writeBigUInt64BE(dated.readBigUInt64BE(4) - 86_400n, 4);
  return {
    'another origin': note.replaceAll(origin, 'elsewhere.example/log'),
    'another size': note.replace(`\n${size}\n`, `\n${Number(size) + 1}\n`),
    'another root': note.replace(root, bent(Buffer.from(root, 'base64')).toString('base64')),
    'a line more': note.replace('\n\n', '\nand nothing else\n\n'),
    'one bit of the signature': note.replace(encoded, bent(signature).toString('base64')),
    'no signature': `${text}\n\n`,
    'the signature of another checkpoint': `${text}\n\n${other.split('\n\n')[1]}`,
    'signed by a stranger': `${text}\n\n${forged(Buffer.of(1, 2, 3, 4))}`,
    'signed by a stranger under the key id of the log': `${text}\n\n${forged(signature.subarray(0, 4))}`,
    'a cosignature dated back': cosigned.replace(witnessed, dated.toString('base64'))
  };
}
