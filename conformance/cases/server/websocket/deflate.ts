// RFC 7692: these cases are written in TypeScript, not as transcripts, because they need special settings of zlib,
// inspect the compressed bytes, or do not apply if the server has accepted other parameters.

import { constants } from "node:zlib";

import { type Case, expect, Skip } from "../../../harness/case.ts";
import { compressAlone, openDeflate } from "../../../peers/deflate.ts";
import { TEXT } from "../../../peers/websocket.ts";
import { noise } from "../../../transcripts/bytes.ts";

/** A text that compresses well. */
function prose(size: number): string {
  const words = "The quick brown fox jumps over the lazy dog. ";
  return words.repeat(Math.ceil(size / words.length)).slice(0, size);
}

/** Messages that are compressed with other options of zlib than the defaults. */
const FORMS: readonly Case[] = [
  { name: "level-0", what: "stored blocks", options: { level: 0 } },
  {
    name: "huffman-only",
    what: "Huffman codes only",
    options: { strategy: constants.Z_HUFFMAN_ONLY },
  },
  { name: "run-length", what: "runs of one byte", options: { strategy: constants.Z_RLE } },
  { name: "fixed-codes", what: "fixed Huffman codes", options: { strategy: constants.Z_FIXED } },
  { name: "level-9", what: "long repetitions", options: { level: 9, memLevel: 9 } },
  { name: "small-blocks", what: "many small blocks", options: { memLevel: 1 } },
].map(({ name, what, options }) => ({
  id: `websocket.deflate.form-${name}`,
  title: `inflates 200,000 bytes compressed as ${what}`,
  clause: "RFC 7692 §7.2.2",
  sentence:
    "RFC 7692 §6.2: An endpoint MUST use the following algorithm to receive a message in the form of a compressed message.",
  severity: "MUST",
  sends: `a compressed text message of 200,000 bytes: ${what}`,
  expects: "the same message",
  run: async (context) => {
    const deflate = await openDeflate(context);
    const text = prose(100_000) + noise(50_000).toString("hex");
    deflate.sendRaw(TEXT, compressAlone(text, options));
    await deflate.expectMessage(text);
  },
}));

const OTHERS: readonly Case[] = [
  {
    id: "websocket.deflate.compresses",
    title: "compresses a large message if compression was negotiated",
    clause: "RFC 7692 §6.1",
    severity: "INFO",
    sends: "a text message of 20,000 bytes that compresses well",
    expects: "the same message, compressed to less than a tenth",
    run: async (context) => {
      const { compressed, raw } = await (await openDeflate(context)).echo(prose(20_000));
      const got = `${raw.length} bytes, ${compressed ? "compressed" : "uncompressed"}`;
      expect(compressed && raw.length < 2000, "less than 2,000 bytes, compressed", got);
    },
  },
  {
    id: "websocket.deflate.tail-cut-off",
    title: "removes the 00 00 FF FF at the end of a compressed message",
    clause: "RFC 7692 §7.2.1",
    sentence:
      "RFC 7692 §6.1: An endpoint MUST use the following algorithm to send a message in the form of a compressed message.",
    severity: "MUST",
    sends: "a text message of 5,000 bytes",
    expects: "the same message. If it is compressed, it does not end with 00 00 FF FF",
    run: async (context) => {
      const { compressed, raw } = await (await openDeflate(context)).echo(prose(5000));
      const tail = Buffer.from(raw.subarray(-4)).toString("hex");
      expect(!compressed || tail !== "0000ffff", "an end other than 0000ffff", tail);
    },
  },
  {
    id: "websocket.deflate.takeover-example",
    title: "inflates the example in which a second message refers to the first",
    clause: "RFC 7692 §7.2.3.2",
    sentence:
      "RFC 7692 §7.2.2: Otherwise, the server MUST decompress each new message using the LZ77 sliding window used to process the last compressed message.",
    severity: "MUST",
    sends: '"Hello" twice, the second time as f2 00 11 00 00',
    expects: '"Hello" twice',
    run: async (context) => {
      const deflate = await openDeflate(context);
      if (deflate.agreement.clientNoContextTakeover) {
        throw new Skip("the server requires client_no_context_takeover");
      }
      deflate.sendRaw(TEXT, Buffer.from("f248cdc9c90700", "hex"));
      await deflate.expectMessage("Hello");
      deflate.sendRaw(TEXT, Buffer.from("f200110000", "hex"));
      await deflate.expectMessage("Hello");
    },
  },
];

export const DEFLATE: readonly Case[] = [...FORMS, ...OTHERS];
