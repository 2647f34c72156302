// Certificates, accreditations, work orders and status lists with Digital Bazaar's libraries.
import jsigs from 'jsonld-signatures';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {createVerifyCryptosuite} from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import * as vc from '@digitalbazaar/vc';
import {checkStatus} from '@digitalbazaar/vc-bitstring-status-list';

const suites = () => [new DataIntegrityProof({cryptosuite: createVerifyCryptosuite()})];

/**
 * Verify one credential as of `now`; resolves to null, or to why it is refused.
 *
 * `status` is `true` where the status list that it names is looked at as well. The libraries take the whole proof,
 * the issuer's DID document and the dates; what we ask beyond (who is trusted, what fits together) is not theirs.
 */
export async function refusal(credential, {documentLoader, now, status = false}) {
  const result = await vc.verifyCredential({
    credential, suite: suites(), documentLoader, now,
    checkStatus: status ? checkStatus : async () => ({verified: true})
  });
  if(result.verified) {
    return null;
  }
  const error = result.error ?? result.statusResult?.error ?? result.statusResult;
  const first = error?.errors?.[0] ?? error;
  return first?.message ?? JSON.stringify(first);
}

/** Verify a document's proof alone, with the purpose that we name: for what is no credential. */
export async function proofRefusal(document, {documentLoader}) {
  const result = await jsigs.verify(document, {
    suite: suites(), purpose: new jsigs.purposes.AssertionProofPurpose(), documentLoader
  });
  return result.verified ? null : (result.error?.errors?.[0] ?? result.error).message;
}
