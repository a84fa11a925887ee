// Converts hex to bytes, and yields every way to split the bytes.

/** Converts `"81 02 48 69"` to bytes. `"00*126"` repeats a byte. */
export function bytes(hex: string): Uint8Array {
  return Uint8Array.from(
    hex
      .split(/\s+/)
      .filter(Boolean)
      .flatMap((word) => {
        const [digits = "", times = "1"] = word.split("*");
        const byte = /^[0-9a-f]{2}$/i.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
        const count = /^\d+$/.test(times) ? Number(times) : Number.NaN;
        // A typo must not silently create a different test vector.
        if (Number.isNaN(byte + count)) throw new TypeError(`"${word}" is not a byte in hex`);
        return Array<number>(count).fill(byte);
      }),
  );
}

/** Yields the input whole, byte by byte, and in two parts for every position of the cut. */
export function* everySplit(input: Uint8Array): Generator<readonly Uint8Array[]> {
  yield [input];
  yield inChunks(input, 1);
  for (let cut = 1; cut < input.length; cut++) yield [input.subarray(0, cut), input.subarray(cut)];
}

/** Splits the input into chunks of `size` bytes. */
export function inChunks(input: Uint8Array, size: number): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let i = 0; i < input.length; i += size) chunks.push(input.subarray(i, i + size));
  return chunks;
}
