// Ten ways to tamper with a certificate. Each gives a document that every verifier must refuse.
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {createSignCryptosuite} from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import jsigs from 'jsonld-signatures';

const line = certificate => certificate.credentialSubject.conformityAssessment[0];

/** name → the tampered document; `other` is another certificate of the same market, by another key if there is one. */
export async function tamperedForms(certificate, other, documentLoader) {
  const change = alter => {
    const document = structuredClone(certificate);
    alter(document);
    return document;
  };
  return {
    'another serial number': change(d => { line(d).sanitisation.medium.serial += 'X'; }),
    'another evidence class': change(d => {
      line(d).sanitisation.evidenceClass = line(d).sanitisation.evidenceClass === 'full-read' ? 'destroyed' : 'full-read';
    }),
    'dated back': change(d => { d.validFrom = '2026-01-01T00:00:00Z'; }),
    'the proof dated back': change(d => { d.proof.created = '2026-01-01T00:00:00Z'; }),
    'a member added': change(d => { d.wipe.note = 'also the cloud'; }),
    'a member removed': change(d => { delete line(d).sanitisation.operator; }),
    'one letter of the signature': change(d => {
      const value = d.proof.proofValue;
      d.proof.proofValue = value.slice(0, 20) + (value[20] === 'a' ? 'b' : 'a') + value.slice(21);
    }),
    'the proof of another certificate': change(d => { d.proof = structuredClone(other.proof); }),
    'another issuer, whose key did not sign': change(d => {
      d.issuer = {...d.issuer, id: 'did:web:elsewhere.example'};
    }),
    'signed anew by a stranger': await signedByAStranger(certificate, documentLoader)
  };
}

/** name → the tampered list; nothing where there is none. */
export function tamperedLists(list) {
  if(list === undefined) {
    return {};
  }
  const change = alter => {
    const document = structuredClone(list);
    alter(document);
    return document;
  };
  return {
    'another bit': change(d => {
      const encoded = d.credentialSubject.encodedList;
      d.credentialSubject.encodedList = encoded.slice(0, 30) + (encoded[30] === 'A' ? 'B' : 'A') + encoded.slice(31);
    }),
    'fresh for longer': change(d => { d.validUntil = '2099-01-01T00:00:00Z'; }),
    'another purpose': change(d => { d.credentialSubject.statusPurpose = 'message'; }),
    'another issuer': change(d => { d.issuer = {...d.issuer, id: 'did:web:elsewhere.example'}; })
  };
}

/** The certificate with another serial number, signed anew by a key that no DID document lists, under the old name. */
async function signedByAStranger(certificate, documentLoader) {
  const {proof, ...document} = structuredClone(certificate);
  line(document).sanitisation.medium.serial = 'STRANGER-1';
  const pair = await Ed25519Multikey.generate({id: proof.verificationMethod, controller: document.issuer.id});
  const suite = new DataIntegrityProof({signer: pair.signer(), cryptosuite: createSignCryptosuite(), date: proof.created});
  return jsigs.sign(document, {suite, purpose: new jsigs.purposes.AssertionProofPurpose(), documentLoader});
}
