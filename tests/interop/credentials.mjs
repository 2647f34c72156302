// Certificates, accreditations, work orders and status lists with Digital Bazaar's libraries.
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {createVerifyCryptosuite} from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import * as vc from '@digitalbazaar/vc';
import {checkStatus} from '@digitalbazaar/vc-bitstring-status-list';

/** What `refusal` says of a credential whose place in its status list is set. */
export const REVOKED = 'revoked';

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
    // Our lists are the market's, whoever issued the certificate: that the issuers differ is by agreement. The lists
    // themselves are verified by a question of their own, as this library can only look at them as of today.
    checkStatus: status ? options => checkStatus({
      ...options, verifyMatchingIssuers: false, verifyBitstringStatusListCredential: false
    }) : async () => ({verified: true})
  });
  // The library reads the bit; what it means is left to who asked.
  if(result.statusResult?.results?.some(each => each.status === true)) {
    return REVOKED;
  }
  if(result.verified) {
    return null;
  }
  const error = result.error ?? result.statusResult?.error ?? result.statusResult;
  const first = error?.errors?.[0] ?? error;
  return first?.message ?? JSON.stringify(first);
}
