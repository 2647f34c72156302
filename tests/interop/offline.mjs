// No network: whatever a library wants to load is given to it from what lies in the folder, or it is an error.
import net from 'node:net';
import dns from 'node:dns';
import {named as credentialsContexts} from '@digitalbazaar/credentials-context';

let asked = 0;

function refuse(what) {
  asked += 1;
  throw new Error(`Something asked for the network: ${what}.`);
}

/** Close every way out of this process. */
export function closeTheNetwork() {
  net.Socket.prototype.connect = () => refuse('a connection');
  dns.lookup = () => refuse('a name');
  globalThis.fetch = () => refuse('an address');
}

/** How often something asked for the network all the same. */
export const timesAsked = () => asked;

/** A document loader for these DID documents, credentials and contexts (address → document), and nothing else. */
export function loaderOf({dids, contexts = {}, credentials = {}}) {
  const known = new Map(Object.entries({...contexts, ...credentials}));
  const v2 = credentialsContexts.get('v2');
  known.set(v2.id, v2.context);
  for(const did of dids) {
    known.set(did.id, did);
    for(const method of did.verificationMethod) {
      known.set(method.id, {'@context': 'https://w3id.org/security/multikey/v1', ...method});
    }
  }
  return async url => {
    if(!known.has(url)) {
      throw new Error(`Nothing is known under ${url}.`);
    }
    // Libraries write into what they are given. `static` lets jsonld.js keep what it made of a context.
    return {contextUrl: null, documentUrl: url, document: structuredClone(known.get(url)), tag: 'static'};
  };
}
