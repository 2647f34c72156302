// Checks what a market issued with libraries that we did not write, offline: node check.mjs FOLDER [UNTP-FOLDER]
// Prints one JSON object for each question, {name, count, problems}, and exits with 1 when there is a problem.
import fs from 'node:fs';
import path from 'node:path';
import {closeTheNetwork, loaderOf, timesAsked} from './offline.mjs';
import {refusal} from './credentials.mjs';
import {tamperedForms} from './tampered.mjs';
import {logQuestions} from './log.mjs';
import {safeModeProblems, untpProblems} from './forms.mjs';

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
const bundles = Object.fromEntries(entries('bundles').map(name => [name, Object.fromEntries(
  entries(path.join('bundles', name)).filter(file => file.endsWith('.json')).map(file => [
    file, read('bundles', name, file)]))]));
const of = file => Object.fromEntries(
  Object.entries(bundles).filter(([, files]) => file in files).map(([name, files]) => [name, files[file]]));
const certificates = of('certificate.json');
const lists = Object.fromEntries(entries('status').map(name => [name, read('status', name)]));
const contexts = read('contexts.json');
const documentLoader = loaderOf({
  dids: read('dids.json'), contexts, credentials: Object.fromEntries(Object.values(lists).map(list => [list.id, list]))
});
const now = new Date();

// Work orders and accreditations end; what counts is the day on which the certificate was signed.
const asOf = name => new Date(certificates[name].proof.created);
await question('certificates verify', certificates, it => refusal(it, {documentLoader, now}));
await question('accreditations verify', of('accreditation.json'),
  (it, name) => refusal(it, {documentLoader, now: asOf(name)}));
await question('work orders verify', of('work-order.json'),
  (it, name) => refusal(it, {documentLoader, now: new Date(it.proof.created)}));

const [first, second] = Object.values(certificates);
await question('tampered certificates are refused', await tamperedForms(first, second, documentLoader),
  refused(it => refusal(it, {documentLoader, now})));

if(untp !== undefined) {
  const schema = JSON.parse(fs.readFileSync(path.join(untp, 'ConformityCredential.json'), 'utf8'));
  await question('certificates follow the UNTP 0.7.0 schema, but for the one override', certificates,
    async it => untpProblems(schema, it));
}

for(const [name, [items, ask]] of Object.entries(logQuestions(read('log.json')))) {
  await question(name, items, ask);
}

await question('nothing asked for the network', {all: 0}, async () => timesAsked() ? `${timesAsked()} times` : null);
process.exitCode = failed ? 1 : 0;
