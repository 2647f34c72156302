// A status list read with node's own zlib, next to the library that reads it as W3C's recommendation says.
import {gunzipSync} from 'node:zlib';

/** The places that are set in a list, in order. */
export function placesSet(list) {
  const encoded = list.credentialSubject.encodedList;
  if(encoded[0] !== 'u') {
    throw new Error('The list is not written in base64url.');
  }
  const bits = gunzipSync(Buffer.from(encoded.slice(1), 'base64url'));
  return [...bits].flatMap((byte, at) => byte === 0 ? [] :
    [0, 1, 2, 3, 4, 5, 6, 7].filter(bit => byte & 0x80 >> bit).map(bit => 8 * at + bit));
}
