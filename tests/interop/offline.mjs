// No network: whatever a library wants to load is given to it from what lies in the folder, or it is an error.
import net from 'node:net';
import child_process from 'node:child_process';
import dgram from 'node:dgram';
import dns from 'node:dns';
import http from 'node:http';
import {syncBuiltinESMExports} from 'node:module';
import tls from 'node:tls';
import worker_threads from 'node:worker_threads';
import {named as credentialsContexts} from '@digitalbazaar/credentials-context';

let asked = 0;

function refuse(what) {
  asked += 1;
  throw new Error(`Something asked for the network: ${what}.`);
}

/** Close every way out of this process, also those by another process or thread. */
export function closeTheNetwork() {
  net.Socket.prototype.connect = () => refuse('a connection');
  dgram.Socket.prototype.bind = dgram.Socket.prototype.connect = dgram.Socket.prototype.send = () => refuse('a datagram');
  for(const resolver of [dns, dns.promises, dns.Resolver.prototype, dns.promises.Resolver.prototype]) {
    for(const name of Object.getOwnPropertyNames(resolver).filter(each => /^(lookup|resolve|reverse)/.test(each))) {
      resolver[name] = () => refuse('a name');
    }
  }
  for(const name of ['exec', 'execFile', 'execFileSync', 'execSync', 'fork', 'spawn', 'spawnSync']) {
    child_process[name] = () => refuse('another program');
  }
  worker_threads.Worker = class {
    constructor() {
      refuse('a thread');
    }
  };
  globalThis.fetch = () => refuse('an address');
  syncBuiltinESMExports();
}

/** How often something asked for the network all the same. */
export const timesAsked = () => asked;

/** name → a try to get out by that way, each of which must throw once the network is closed. They are not counted. */
export const waysOut = Object.fromEntries(Object.entries({
  'a socket': () => net.connect(9, '127.0.0.1'),
  'a socket with TLS': () => tls.connect(9, '127.0.0.1'),
  'a request over HTTP': () => http.get('http://127.0.0.1:9/'),
  'fetch': () => fetch('http://127.0.0.1:9/'),
  'a datagram': () => dgram.createSocket('udp4').send('out', 9, '127.0.0.1'),
  'a name': () => dns.lookup('example.org', () => {}),
  'a name, promised': () => dns.promises.resolve('example.org'),
  'another program': () => child_process.spawnSync('true'),
  'a thread': () => new worker_threads.Worker('0', {eval: true})
}).map(([name, out]) => [name, async () => {
  const before = asked;
  try {
    await out();
    return 'it is open';
  } catch(error) {
    return asked > before ? null : `${error.message}`;
  } finally {
    asked = before;
  }
}]));

/** Whether this process reaches a port that somebody listens on, on this very machine: before anything is closed. */
export const reaches = port => new Promise(resolve => {
  const socket = net.connect(port, '127.0.0.1', () => {
    socket.destroy();
    resolve(true);
  });
  socket.on('error', () => resolve(false));
});

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
