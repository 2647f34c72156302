// The log's proofs against an independent implementation of RFC 9162 (and so of RFC 6962's tree): @transmute/rfc9162.
import {createHash} from 'node:crypto';
import {RFC9162 as rfc9162} from '@transmute/rfc9162';

const EVERY_SIZE_TO = 70;
// The library looks for a browser at each hash, and catches the error; without a stack that is ten times as quick.
Error.stackTraceLimit = 0;
const bytes = text => Uint8Array.from(Buffer.from(text, 'hex'));
const hex = hash => Buffer.from(hash).toString('hex');
const entry = number => Uint8Array.from(Buffer.from(`leaf ${number}`));

/** Roots of any size, as RFC 6962, 2.1 defines them, over the same leaves: written down from its text, for large sizes. */
function definition() {
  const hash = (...parts) => parts.reduce((digest, part) => digest.update(part), createHash('sha256')).digest();
  const kept = new Map();
  const head = (from, to) => {
    const count = to - from;
    const whole = Number.isInteger(Math.log2(count)) && from % count === 0;
    const name = from * 32 + Math.log2(count);
    if(whole && count > 64 && kept.has(name)) {
      return kept.get(name);
    }
    let made;
    if(count === 1) {
      made = hash(Buffer.of(0), entry(from));
    } else {
      let half = 1;
      while(half * 2 < count) {
        half *= 2;
      }
      made = hash(Buffer.of(1), head(from, from + half), head(from + half, to));
    }
    if(whole && count > 64) {
      kept.set(name, made);
    }
    return made;
  };
  return to => to === 0 ? hash() : head(0, to);
}

/** The questions about the log: name → [items, ask, whether they are tampered with]. `log` is what log_proofs.py wrote. */
export function logQuestions(log) {
  const roots = new Map(Object.entries(log.roots).map(([size, root]) => [Number(size), bytes(root)]));
  const leaves = Array.from({length: EVERY_SIZE_TO}, (_, number) => entry(number));
  const root = definition();
  const named = list => Object.fromEntries(list.map(item => [`${item[0]} in ${item[1]}`, item]));
  const small = Object.fromEntries([...roots].filter(([size]) => size <= EVERY_SIZE_TO));

  const included = async ([index, size, path], change = hash => hash) => rfc9162.verifyInclusionProof(
    change(roots.get(size)), await rfc9162.leaf(entry(index)),
    {log_id: '', tree_size: size, leaf_index: index, inclusion_path: path.map(bytes)});
  // The library wants the old root itself in front where its size is a power of two; RFC 9162, 2.1.4.2, step 2.
  const withOldRoot = (old, path) => (old & old - 1) === 0 ? [roots.get(old), ...path.map(bytes)] : path.map(bytes);
  const grown = async ([old, size, path], change = hash => hash) => rfc9162.verifyConsistencyProof(
    roots.get(old), change(roots.get(size)), {
      log_id: '', tree_size_1: old, tree_size_2: size, consistency_path: withOldRoot(old, path)
    });
  const bent = hash => Uint8Array.from(hash, (byte, number) => number === 9 ? byte ^ 1 : byte);

  return {
    'roots of every size to 70 are the same': [small,
      async (ours, size) => hex(await rfc9162.treeHead(leaves.slice(0, Number(size)))) === hex(ours) ? null : 'another root'],
    'roots of sizes up to a million are as the definition says': [Object.fromEntries(roots),
      async (ours, size) => hex(root(Number(size))) === hex(ours) ? null : 'another root'],
    'inclusion proofs of every size to 70 are the same, hash by hash': [
      named(log.inclusion.filter(([, size]) => size <= EVERY_SIZE_TO)),
      async ([index, size, path]) => {
        const theirs = await rfc9162.inclusionProof(entry(index), leaves.slice(0, size));
        return JSON.stringify(theirs.inclusion_path.map(hex)) === JSON.stringify(path) ? null : 'another proof';
      }],
    'inclusion proofs hold': [named(log.inclusion), async item => await included(item) ? null : 'it does not hold'],
    'inclusion proofs under a bent root do not hold': [named(log.inclusion.slice(-60)),
      async item => await included(item, bent) ? null : 'it does not hold', true],
    'consistency proofs of every size to 70 are the same, hash by hash': [
      named(log.consistency.filter(([, size]) => size <= EVERY_SIZE_TO)),
      async ([old, size, path]) => {
        const theirs = await rfc9162.consistencyProof({tree_size: old}, leaves.slice(0, size));
        return JSON.stringify(theirs.consistency_path.map(hex)) === JSON.stringify(withOldRoot(old, path).map(hex)) ?
          null : 'another proof';
      }],
    'consistency proofs hold': [named(log.consistency), async item => await grown(item) ? null : 'it does not hold'],
    'consistency proofs under a bent root do not hold': [named(log.consistency.slice(-60)),
      async item => await grown(item, bent) ? null : 'it does not hold', true]
  };
}
