// The reference verifier at work for `make bench`: node bench.mjs FOLDER, with certificates.json and dids.json in it.
// For each line that comes in, it verifies every certificate once, from text, and answers with the seconds that took.
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import jsigs from 'jsonld-signatures';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {createVerifyCryptosuite} from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import {closeTheNetwork, loaderOf} from './offline.mjs';

const folder = process.argv[2];
const read = name => JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'));

closeTheNetwork();
const texts = read('certificates.json');
const documentLoader = loaderOf({dids: read('dids.json')});

/** The proof alone, the least that this library can do. Returns how many hold. */
async function verifyAll() {
  const suite = new DataIntegrityProof({cryptosuite: createVerifyCryptosuite()});
  const purpose = new jsigs.purposes.AssertionProofPurpose();
  let hold = 0;
  for(const text of texts) {
    const {verified} = await jsigs.verify(JSON.parse(text), {suite, purpose, documentLoader});
    hold += verified ? 1 : 0;
  }
  return hold;
}

for await (const _ of readline.createInterface({input: process.stdin})) {
  const began = process.hrtime.bigint();
  const hold = await verifyAll();
  console.log(JSON.stringify({seconds: Number(process.hrtime.bigint() - began) / 1e9, hold}));
}
