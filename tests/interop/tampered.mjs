// Ten ways to tamper with each kind of document. Each gives a document that every verifier must refuse.
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {createSignCryptosuite} from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import jsigs from 'jsonld-signatures';

const line = document => document.credentialSubject.conformityAssessment[0];

/** What only one kind says: three changes, the first of which a stranger signs anew. */
const OF_ITS_KIND = {
  certificate: {
    'another serial number': d => { line(d).sanitisation.medium.serial += 'X'; },
    'another evidence class': d => {
      line(d).sanitisation.evidenceClass = line(d).sanitisation.evidenceClass === 'full-read' ? 'destroyed' : 'full-read';
    },
    'a member removed': d => { delete line(d).sanitisation.operator; }
  },
  accreditation: {
    'another kind of medium': d => { line(d).accreditationScope.mediaKinds.push('tape'); },
    'another key': d => { line(d).accreditationScope.keys[0].publicKeyMultibase += '1'; },
    'another centre': d => { d.credentialSubject.issuedToParty.name += ' & Sons'; }
  },
  'work order': {
    'another device': d => { d.credentialSubject.device.serial += 'X'; },
    'another challenge': d => { d.credentialSubject.challenge += '1'; },
    'for longer': d => { d.validUntil = '2099-01-01T00:00:00Z'; }
  },
  'status list': {
    'another bit': d => {
      const encoded = d.credentialSubject.encodedList;
      d.credentialSubject.encodedList = encoded.slice(0, 30) + (encoded[30] === 'A' ? 'B' : 'A') + encoded.slice(31);
    },
    'fresh for longer': d => { d.validUntil = '2099-01-01T00:00:00Z'; },
    'another purpose': d => { d.credentialSubject.statusPurpose = 'message'; }
  }
};

/** name → the tampered document; `other` is another document of the same kind, whose proof is another. */
export async function tamperedForms(kind, original, other, documentLoader) {
  const change = alter => {
    const document = structuredClone(original);
    alter(document);
    return document;
  };
  const ofItsKind = OF_ITS_KIND[kind];
  const [firstChange] = Object.values(ofItsKind);
  return {
    ...Object.fromEntries(Object.entries(ofItsKind).map(([name, alter]) => [name, change(alter)])),
    'dated back': change(d => { d.validFrom = '2026-01-01T00:00:01Z'; }),
    'the proof dated back': change(d => { d.proof.created = '2026-01-01T00:00:01Z'; }),
    'a member added': change(d => { d.wipe.note = 'also the cloud'; }),
    'one letter of the signature': change(d => {
      const value = d.proof.proofValue;
      d.proof.proofValue = value.slice(0, 20) + (value[20] === 'a' ? 'b' : 'a') + value.slice(21);
    }),
    'the proof of another': change(d => { d.proof = structuredClone(other.proof); }),
    'another issuer, whose key did not sign': change(d => {
      d.issuer = {...d.issuer, id: 'did:web:elsewhere.example'};
    }),
    'changed, and signed anew by a stranger': await signedByAStranger(change(firstChange), documentLoader)
  };
}

/** The document signed anew by a key that no DID document lists, under the name of the key that signed it. */
async function signedByAStranger({proof, ...document}, documentLoader) {
  const pair = await Ed25519Multikey.generate({id: proof.verificationMethod, controller: document.issuer.id});
  const suite = new DataIntegrityProof({signer: pair.signer(), cryptosuite: createSignCryptosuite(), date: proof.created});
  return jsigs.sign(document, {suite, purpose: new jsigs.purposes.AssertionProofPurpose(), documentLoader});
}
