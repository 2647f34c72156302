// Unpacking within bounds, and the checksum of what was unpacked.

/** More came out than was asked for. */
export class TooMuch extends Error {}

/**
 * Inflate raw deflate data, to `limit` bytes at most. Rejects with TooMuch, or with any error for damaged data.
 *
 * What is packed goes in in small pieces, each only when the last one's output was taken: one piece can unfold to a
 * thousand times its size, and no more than that is ever held beyond the limit.
 */
export async function inflated(packed, limit) {
  const stream = new DecompressionStream("deflate-raw");
  const reader = stream.readable.getReader();
  const writer = stream.writable.getWriter();
  const feeding = (async () => {
    for (let at = 0; at < packed.length; at += 512) {
      await writer.ready;
      await writer.write(packed.subarray(at, at + 512));
    }
    await writer.close();
  })();
  feeding.catch(() => {}); // the reader meets the same error
  const parts = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > limit) {
      reader.cancel().catch(() => {});
      throw new TooMuch();
    }
    parts.push(value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The same for one stream and nothing after it. Browsers do not agree on what may follow, so it is looked at here. */
export async function inflatedWhole(packed, limit) {
  const whole = await inflated(packed, limit);
  // Without its last byte it must be cut off: else something followed.
  const followed = await inflated(packed.subarray(0, -1), limit).then(
    () => true,
    () => false
  );
  if (followed) throw new Error("Something follows the packed data.");
  return whole;
}

/** The checksum of .zip and GZIP. */
export function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
