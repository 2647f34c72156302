// The certificate as `vc+jwt`, with jose.
import * as jose from 'jose';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';

/** Why a `vc+jwt` is refused, or null: its signature holds under the key that `certificate` names, and it says the same. */
export async function jwtRefusal(token, certificate, documentLoader) {
  const {document: method} = await documentLoader(certificate.proof.verificationMethod);
  const pair = await Ed25519Multikey.from(method);
  const key = await jose.importJWK({...await Ed25519Multikey.toJwk({keyPair: pair}), alg: 'Ed25519'}, 'Ed25519');
  try {
    const {payload, protectedHeader} = await jose.compactVerify(token, key, {algorithms: ['Ed25519']});
    if(protectedHeader.typ !== 'vc+jwt' || protectedHeader.kid !== certificate.proof.verificationMethod) {
      return 'its header names something else';
    }
    const {proof, ...unsigned} = certificate;
    return same(JSON.parse(new TextDecoder().decode(payload)), unsigned) ? null : 'it says something else';
  } catch(error) {
    return `${error.name}: ${error.message}`;
  }
}

function same(one, other) {
  if(typeof one !== 'object' || one === null || typeof other !== 'object' || other === null) {
    return one === other;
  }
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && Array.isArray(one) === Array.isArray(other) &&
    names.every(name => same(one[name], other[name]));
}

/** name → token: ten tampered forms of a good one; `other` is the token of another certificate. */
export async function tamperedTokens(token, other, certificate, documentLoader) {
  const [header, payload, signature] = token.split('.');
  const [, otherPayload, otherSignature] = other.split('.');
  const encode = value => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  const said = JSON.parse(Buffer.from(payload, 'base64url'));
  const head = JSON.parse(Buffer.from(header, 'base64url'));
  const {document: method} = await documentLoader(certificate.proof.verificationMethod);
  const jwk = await Ed25519Multikey.toJwk({keyPair: await Ed25519Multikey.from(method)});
  const stranger = await jose.generateKeyPair('Ed25519');
  const bytes = new TextEncoder().encode(JSON.stringify(said));
  const bent = Buffer.from(signature, 'base64url');
  bent[7] ^= 1;
  return {
    'another device': `${header}.${encode({...said, id: 'urn:uuid:00000000-0000-4000-8000-000000000000'})}.${signature}`,
    'dated back': `${header}.${encode({...said, validFrom: '2026-01-01T00:00:00Z'})}.${signature}`,
    'one bit of the signature': `${header}.${payload}.${bent.toString('base64url')}`,
    'no signature': `${header}.${payload}.`,
    'the signature of another certificate': `${header}.${payload}.${otherSignature}`,
    'the payload of another certificate': `${header}.${otherPayload}.${signature}`,
    'algorithm none': `${encode({...head, alg: 'none'})}.${payload}.`,
    'the public key as a password': await new jose.CompactSign(bytes).setProtectedHeader({...head, alg: 'HS256'})
      .sign(Buffer.from(jwk.x, 'base64url')),
    'signed anew by a stranger': await new jose.CompactSign(bytes).setProtectedHeader(head).sign(stranger.privateKey),
    'a stranger with a key of its own along': await new jose.CompactSign(bytes)
      .setProtectedHeader({...head, jwk: await jose.exportJWK(stranger.publicKey)}).sign(stranger.privateKey)
  };
}
