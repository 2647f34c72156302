// Checks what a market issued with libraries that we did not write, offline:
//   node check.mjs FOLDER [--untp FOLDER] [--listener PORT]
// `--listener` is a port of this machine where somebody listens: the kernel must not let us reach it.
// Prints one JSON object for each question, {name, count, tampered, seconds, problems}, and exits with 1 when there is a problem.
import fs from 'node:fs';
import path from 'node:path';
import {parseArgs} from 'node:util';
import {closeTheNetwork, loaderOf, reaches, timesAsked, waysOut} from './offline.mjs';
import {REVOKED, refusal} from './credentials.mjs';
import {jwtRefusal, tamperedTokens} from './jwt.mjs';
import {tamperedForms} from './tampered.mjs';
import {logQuestions} from './log.mjs';
import {publishedLog} from './published-log.mjs';
import {placesSet} from './status-list.mjs';
import {safeModeProblems, schemaProblems, untpProblems} from './forms.mjs';

const {values: {untp, listener}, positionals: [folder]} = parseArgs({
  allowPositionals: true, options: {untp: {type: 'string'}, listener: {type: 'string'}}});
const bytes = (...names) => fs.readFileSync(path.join(folder, ...names));
const read = (...names) => JSON.parse(bytes(...names));
const entries = (...names) => fs.existsSync(path.join(folder, ...names)) ?
  fs.readdirSync(path.join(folder, ...names)).sort() : [];

let failed = false;

/** Ask a question of each item; `ask` resolves to null, or to what is wrong. */
async function question(name, items, ask, tampered = false) {
  const began = performance.now();
  const problems = [];
  for(const [label, item] of Object.entries(items)) {
    const problem = await Promise.resolve().then(() => ask(item, label)).catch(error => `${error.name}: ${error.message}`);
    if(problem !== null) {
      problems.push(`${label}: ${problem}`);
    }
  }
  failed ||= problems.length > 0;
  const seconds = (performance.now() - began) / 1000;
  console.log(JSON.stringify({name, count: Object.keys(items).length, tampered, seconds, problems: problems.slice(0, 5)}));
}

/** Tampered forms: `ask` must say of each what is wrong with it, or throw. */
async function refused(name, items, ask) {
  await question(name, items, async (item, label) => {
    const said = await Promise.resolve().then(() => ask(item, label)).catch(error => error.message);
    return said === null ? 'it was accepted' : null;
  }, true);
}

if(listener !== undefined) {
  await question('the kernel lets this process reach nobody', {[listener]: Number(listener)},
    async port => await reaches(port) ? 'it reaches a program on this machine' : null);
}
closeTheNetwork();
await question('every way to the network is closed', waysOut, out => out());

const SIGNED = ['certificate.json', 'accreditation.json', 'work-order.json'];
const LISTS = ['status.json', 'accreditation-status.json'];
const inside = where => Object.fromEntries(entries(where).map(name => [name, Object.fromEntries(
  entries(where, name).filter(file => file.endsWith('.json')).map(file => [file, read(where, name, file)]))]));
const bundles = inside('bundles');
const filesOf = (file, all = bundles) => Object.fromEntries(
  Object.entries(all).filter(([, files]) => file in files).map(([name, files]) => [name, files[file]]));
const textsOf = file => Object.fromEntries(Object.keys(bundles).filter(
  name => fs.existsSync(path.join(folder, 'bundles', name, file))).map(name => [name, bytes('bundles', name, file).toString()]));
const [certificates, accreditations, orders] = SIGNED.map(file => filesOf(file));
const {now: asked, standing, published} = read('about.json');
const now = new Date(asked);
const dids = read('dids.json');
const contexts = {'https://w3id.org/ewaste/wipe/v1': read('vocab', 'context.jsonld')};
const served = entries('status').map(name => read('status', name));
const documentLoader = loaderOf({dids, contexts});
const withLists = lists => loaderOf({dids, contexts, credentials: Object.fromEntries(lists.map(list => [list.id, list]))});

if(published !== undefined) {
  await question('context and schemas are served, byte for byte, as they are used here', published, async (headers, name) => {
    if(!bytes('served', name).equals(bytes('vocab', name))) {
      return 'other bytes';
    }
    const kept = headers['cache-control'].split(', ');
    return ['public', 'max-age=31536000', 'immutable'].every(word => kept.includes(word)) &&
      headers['access-control-allow-origin'] === '*' ? null : JSON.stringify(headers);
  });
}

// Work orders and accreditations end; what counts is the day on which the certificate was signed.
const asOf = name => new Date(certificates[name].proof.created);
await question('certificates verify', certificates, it => refusal(it, {documentLoader, now}));
await question('accreditations verify', accreditations, (it, name) => refusal(it, {documentLoader, now: asOf(name)}));
await question('work orders verify', orders, it => refusal(it, {documentLoader, now: new Date(it.proof.created)}));
const lists = Object.assign({}, ...LISTS.map(file => Object.fromEntries(
  Object.entries(filesOf(file)).map(([name, list]) => [`${file} of ${name}`, list]))),
...served.map(list => ({[list.id]: list})));
await question('status lists verify', lists, it => refusal(it, {documentLoader, now}));
for(const [kind, items, at] of [
  ['certificate', certificates, () => now],
  ['accreditation', accreditations, (_, name) => asOf(name)],
  ['work order', orders, it => new Date(it.proof.created)],
  ['status list', lists, () => now]
]) {
  const [[name, first], second] = two(items);
  await refused(`tampered ${kind}s are refused`, await tamperedForms(kind, first, second, documentLoader),
    it => refusal(it, {documentLoader, now: at(first, name)}));
}

const tokens = textsOf('certificate.jwt');
await question('certificates as vc+jwt verify', tokens, (it, name) => jwtRefusal(it, certificates[name], documentLoader));
// The test vectors' tokens are all the same.
if(new Set(Object.values(tokens)).size > 1) {
  const [[name, first], second] = two(tokens);
  await refused('tampered vc+jwt are refused', await tamperedTokens(first, second, certificates[name], documentLoader),
    it => jwtRefusal(it, certificates[name], documentLoader));
}

// What counts is what the market serves now, and where nobody serves anything, what the bundle brings.
const brought = name => LISTS.flatMap(file => bundles[name][file] ?? []);
const listsOfNow = name => withLists(served.length > 0 ? served : brought(name));
const listed = pick(certificates, name => certificates[name].credentialStatus &&
  (served.length > 0 || 'status.json' in bundles[name]));
const underNow = name => ({documentLoader: listsOfNow(name), now, status: true});
const isRevoked = async (it, options) => {
  const said = await refusal(it, options);
  return said === REVOKED ? null : said ?? 'it was accepted';
};
const revoked = pick(listed, name => standing[name] === 'revoked');
await question('certificates that stand, stand in their status list too',
  pick(listed, name => standing[name] !== 'revoked'), (it, name) => refusal(it, underNow(name)));
await question('revoked certificates are refused with their status list', revoked, (it, name) => isRevoked(it, underNow(name)));
await question('accreditations stand in their status list',
  pick(accreditations, name => accreditations[name].credentialStatus && name in listed && standing[name] !== 'accreditation revoked'),
  (it, name) => refusal(it, {...underNow(name), now: asOf(name)}));
if(served.length > 0) {
  // The bundles were taken out before anything was revoked, and those in `revoked` after.
  await question('revoked certificates stood in the list that came with them before', revoked,
    (it, name) => refusal(it, {documentLoader: withLists(brought(name)), now, status: true}));
  await question('revoked certificates are refused with the list that comes with them now', inside('revoked'),
    files => isRevoked(files['certificate.json'],
      {documentLoader: withLists(LISTS.map(file => files[file])), now, status: true}));
  const places = Object.values(revoked).map(it => it.credentialStatus);
  await question('status lists have exactly the places of what was revoked set (node zlib)',
    Object.fromEntries(served.map(list => [list.id, list])), async list => {
      const due = places.filter(each => each.statusListCredential === list.id).map(each => Number(each.statusListIndex));
      const set = placesSet(list);
      return JSON.stringify(set) === JSON.stringify(due.sort((one, other) => one - other)) ? null : `set: ${set}, due: ${due}`;
    });
} else {
  await question('a revoked accreditation is refused with its status list',
    pick(accreditations, name => standing[name] === 'accreditation revoked'),
    (it, name) => isRevoked(it, {...underNow(name), now: asOf(name)}));
}

const documents = {
  certificate: certificates, accreditation: accreditations, 'work-order': orders, 'status-list': lists
};
for(const [form, items] of Object.entries(documents)) {
  const schema = read('vocab', `${form}.schema.json`);
  await question(`the published schema admits each ${form}`, items, async it => schemaProblems(schema, it));
}
const all = Object.assign({}, ...Object.entries(documents).map(([form, items]) => Object.fromEntries(
  Object.entries(items).map(([name, it]) => [`${form} ${name}`, it]))));
if(untp !== undefined) {
  const schema = JSON.parse(fs.readFileSync(path.join(untp, 'ConformityCredential.json'), 'utf8'));
  const address = 'https://vocabulary.uncefact.org/untp/0.7.0/context/';
  const context = JSON.parse(fs.readFileSync(path.join(untp, 'context-0.7.0.jsonld'), 'utf8'));
  const withTerms = loaderOf({dids, contexts: {...contexts, [address]: context}});
  await question('certificates follow the UNTP 0.7.0 schema, but for the one override', certificates,
    async it => untpProblems(schema, it));
  await question('linked data in safe mode drops nothing of any member or code, in these documents',
    covering(all, context, ...Object.values(contexts)),
    it => safeModeProblems(it, withTerms));
}

if(entries('.').includes('log.json')) {
  for(const [name, [items, ask, tampered]] of Object.entries(logQuestions(read('log.json')))) {
    await (tampered ? refused : question)(name, items, ask);
  }
}
if(entries('log').length > 0) {
  const files = where => Object.fromEntries(fs.readdirSync(path.join(folder, 'log', where), {recursive: true}).map(String)
    .filter(name => fs.statSync(path.join(folder, 'log', where, name)).isFile()).sort()
    .map(name => [name, bytes('log', where, name)]));
  const log = Object.fromEntries(['checkpoints', 'tiles', 'proofs', 'statements'].map(where => [where, files(where)]));
  let asks = {held: {}, tampered: {}};
  await question('the log and its keys can be read', {log}, async () => {
    asks = await publishedLog({
      log: {...log, growth: read('log', 'growth.json')}, trust: read('trust.json'), dids, certificates,
      proofs: textsOf('log-proof.txt'), revoked: Object.keys(revoked), now: now.getTime()
    });
    return null;
  });
  for(const [name, [items, ask]] of Object.entries(asks.held)) {
    await question(name, items, ask);
  }
  for(const [name, [items, ask]] of Object.entries(asks.tampered)) {
    await refused(name, items, ask);
  }
}

await question('nothing asked for the network', {all: 0}, async () => timesAsked() ? `${timesAsked()} times` : null);
process.exitCode = failed ? 1 : 0;

/** [[name, item], another item], which are not the same document. */
function two(items) {
  const [first, ...rest] = Object.entries(items);
  const [, second] = rest.find(([, item]) => JSON.stringify(item) !== JSON.stringify(first[1]));
  return [first, second];
}

/**
 * Few of the items, in which everything occurs that occurs in any: a member in its place under objects of these types,
 * and what it says where these contexts take that for a name of something. What linked data drops it drops by these, and
 * expanding takes long.
 */
function covering(items, ...terms) {
  const coerced = new Set(terms.flatMap(function within(value) {
    return typeof value !== 'object' || value === null ? [] : Object.entries(value).flatMap(([name, each]) => [
      ...['@id', '@vocab'].includes(each?.['@type']) ? [name] : [], ...within(each)]);
  }));
  const traits = (value, place, name) => {
    if(Array.isArray(value)) {
      return value.flatMap(each => traits(each, place, name));
    }
    if(typeof value !== 'object' || value === null) {
      return [coerced.has(name) && !String(value).includes(':') ? `${place}=${value}` : place];
    }
    const here = `${place}<${[value.type ?? []].flat()}>`;
    return [here, ...Object.entries(value).flatMap(([member, each]) => traits(each, `${here}/${member}`, member))];
  };
  const open = Object.entries(items).map(([name, it]) => [name, new Set(traits(it, ''))]);
  const chosen = new Set();
  while(open.some(([, left]) => left.size > 0)) {
    open.sort(([, one], [, other]) => other.size - one.size);
    const [name, covered] = open.shift();
    chosen.add(name);
    open.forEach(([, left]) => covered.forEach(trait => left.delete(trait)));
  }
  return pick(items, name => chosen.has(name));
}

/** The items whose name passes. */
function pick(items, passes) {
  return Object.fromEntries(Object.entries(items).filter(([name]) => passes(name)));
}
