// Checks what a market issued with libraries that we did not write, offline: node check.mjs FOLDER [UNTP-FOLDER]
// Prints one JSON object for each question, {name, count, problems}, and exits with 1 when there is a problem.
import fs from 'node:fs';
import path from 'node:path';
import {closeTheNetwork, loaderOf, timesAsked} from './offline.mjs';
import {REVOKED, refusal} from './credentials.mjs';
import {jwtRefusal, tamperedTokens} from './jwt.mjs';
import {tamperedForms, tamperedLists} from './tampered.mjs';
import {logQuestions} from './log.mjs';
import {safeModeProblems, schemaProblems, untpProblems} from './forms.mjs';

const [folder, untp] = process.argv.slice(2);
const read = (...names) => JSON.parse(fs.readFileSync(path.join(folder, ...names), 'utf8'));
const entries = name => fs.existsSync(path.join(folder, name)) ? fs.readdirSync(path.join(folder, name)).sort() : [];

let failed = false;

/** Ask a question of each item; `ask` resolves to null, or to what is wrong. */
async function question(name, items, ask) {
  const problems = [];
  for(const [label, item] of Object.entries(items)) {
    const problem = await ask(item, label).catch(error => `${error.name}: ${error.message}`);
    if(problem !== null) {
      problems.push(`${label}: ${problem}`);
    }
  }
  failed ||= problems.length > 0;
  console.log(JSON.stringify({name, count: Object.keys(items).length, problems: problems.slice(0, 5)}));
}

/** Something that must be refused is refused by `ask`, and only then. */
const refused = ask => async (item, label) => await ask(item, label) === null ? 'it was accepted' : null;

closeTheNetwork();
const SIGNED = ['certificate.json', 'accreditation.json', 'work-order.json'];
const bundles = Object.fromEntries(entries('bundles').map(name => [name, Object.fromEntries(
  entries(path.join('bundles', name)).filter(file => file.endsWith('.json')).map(file => [
    file, read('bundles', name, file)]))]));
const of = file => Object.fromEntries(
  Object.entries(bundles).filter(([, files]) => file in files).map(([name, files]) => [name, files[file]]));
const [certificates, accreditations, orders] = SIGNED.map(of);
const {now: asked, standing} = read('about.json');
const now = new Date(asked);
const dids = read('dids.json');
const contexts = {'https://w3id.org/ewaste/wipe/v1': read('vocab', 'context.jsonld')};
const served = entries('status').map(name => read('status', name));
// A bundle's own lists come first, as they are of the time when it was put together.
const loaders = Object.fromEntries(Object.entries(bundles).map(([name, files]) => [name, loaderOf({
  dids, contexts, credentials: Object.fromEntries(
    [...served, ...['status.json', 'accreditation-status.json'].flatMap(file => files[file] ?? [])].map(
      list => [list.id, list]))
})]));
const documentLoader = loaderOf({dids, contexts});

// Work orders and accreditations end; what counts is the day on which the certificate was signed.
const asOf = name => new Date(certificates[name].proof.created);
await question('certificates verify', certificates, it => refusal(it, {documentLoader, now}));
await question('accreditations verify', accreditations, (it, name) => refusal(it, {documentLoader, now: asOf(name)}));
await question('work orders verify', orders, it => refusal(it, {documentLoader, now: new Date(it.proof.created)}));

const [[firstName, first], [secondName, second]] = Object.entries(certificates);
await question('tampered certificates are refused', await tamperedForms(first, second, documentLoader),
  refused(it => refusal(it, {documentLoader, now})));

const tokens = Object.fromEntries(Object.keys(bundles).flatMap(name => {
  const file = path.join(folder, 'bundles', name, 'certificate.jwt');
  return fs.existsSync(file) ? [[name, fs.readFileSync(file, 'utf8')]] : [];
}));
await question('certificates as vc+jwt verify', tokens, (it, name) => jwtRefusal(it, certificates[name], documentLoader));
if(firstName in tokens && secondName in tokens) {
  await question('tampered vc+jwt are refused',
    await tamperedTokens(tokens[firstName], tokens[secondName], first, documentLoader),
    refused(it => jwtRefusal(it, first, documentLoader)));
}

const lists = Object.assign({}, ...['status.json', 'accreditation-status.json'].map(file => Object.fromEntries(
  Object.entries(of(file)).map(([name, list]) => [`${file} of ${name}`, list]))),
...served.map(list => ({[list.id]: list})));
await question('status lists verify', lists, it => refusal(it, {documentLoader, now}));
// A market serves every list; a bundle may have been put together without.
const hasLists = name => served.length > 0 || 'status.json' in bundles[name];
const listed = pick(certificates, name => certificates[name].credentialStatus && hasLists(name));
const withStatus = name => ({documentLoader: loaders[name], now, status: true});
await question('certificates that stand, stand in their status list too',
  pick(listed, name => standing[name] !== 'revoked'), (it, name) => refusal(it, withStatus(name)));
await question('revoked certificates are refused with their status list',
  pick(listed, name => standing[name] === 'revoked'), async (it, name) => {
    const said = await refusal(it, withStatus(name));
    return said === REVOKED ? null : said ?? 'it was accepted';
  });
await question('accreditations stand in their status list',
  pick(accreditations, name => accreditations[name].credentialStatus && hasLists(name) && standing[name] === 'accepted'),
  (it, name) => refusal(it, {...withStatus(name), now: asOf(name)}));
await question('a revoked accreditation is refused with its status list',
  pick(accreditations, name => standing[name] === 'accreditation revoked'),
  async (it, name) => {
    const said = await refusal(it, {...withStatus(name), now: asOf(name)});
    return said === REVOKED ? null : said ?? 'it was accepted';
  });
await question('tampered status lists are refused', tamperedLists(Object.values(lists)[0]),
  refused(it => refusal(it, {documentLoader, now})));

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
  await question('linked data in safe mode drops nothing, of every combination of members', distinct(all),
    it => safeModeProblems(it, withTerms));
}

if(entries('.').includes('log.json')) {
  for(const [name, [items, ask]] of Object.entries(logQuestions(read('log.json')))) {
    await question(name, items, ask);
  }
}

await question('nothing asked for the network', {all: 0}, async () => timesAsked() ? `${timesAsked()} times` : null);
process.exitCode = failed ? 1 : 0;

/** One item of each combination of members: what is dropped is dropped by its name, and expanding takes long. */
function distinct(items) {
  const paths = (value, path) => typeof value !== 'object' || value === null ? [path] :
    Object.entries(value).flatMap(([name, each]) => paths(each, Array.isArray(value) ? path : `${path}/${name}`));
  const seen = new Set();
  return pick(items, name => {
    const shape = [...new Set(paths(items[name], ''))].sort().join(' ');
    return !seen.has(shape) && seen.add(shape);
  });
}

/** The items whose name passes. */
function pick(items, passes) {
  return Object.fromEntries(Object.entries(items).filter(([name]) => passes(name)));
}
