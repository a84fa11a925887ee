// RFC 6455 §5.2: the frame's header.

import type { Case } from "../kit/case.ts";
import { BINARY, TEXT } from "../kit/websocket.ts";

/** Each reserved bit, alone and with others, where no extension was agreed on. */
const RESERVED_BITS: readonly Case[] = [1, 2, 3, 4, 5, 6, 7].map((rsv) => ({
  id: `websocket.framing.rsv-${rsv.toString(2).padStart(3, "0")}`,
  title: `fails the connection for the reserved bits ${rsv.toString(2).padStart(3, "0")}`,
  clause: "RFC 6455 §5.2",
  severity: "MUST",
  sends: "a text frame with reserved bits that no extension has defined",
  expects: "the connection failed with 1002",
  run: async (context) => {
    const peer = await context.websocket();
    peer.send({ opcode: TEXT, rsv, payload: "reserved" });
    await peer.expectFailed([1002]);
  },
}));

const UNMASKED: Case = {
  id: "websocket.framing.unmasked",
  title: "fails the connection for a frame that is not masked",
  clause: "RFC 6455 §5.1",
  severity: "MUST",
  sends: "a text frame without a mask",
  expects: "the connection failed with 1002",
  run: async (context) => {
    const peer = await context.websocket();
    peer.send({ opcode: TEXT, payload: "bare", masked: false });
    await peer.expectFailed([1002]);
  },
};

/** Both ends of each form of the length. */
const SIZES: readonly Case[] = [0, 1, 125, 126, 127, 65_535, 65_536].flatMap((size) =>
  [TEXT, BINARY].map((opcode): Case => {
    const kind = opcode === TEXT ? "text" : "binary";
    return {
      id: `websocket.framing.${kind}-of-${size}`,
      title: `echoes a ${kind} message of ${size} bytes`,
      clause: "RFC 6455 §5.2",
      severity: "MUST",
      sends: `a ${kind} message of ${size} bytes`,
      expects: "the same message",
      run: async (context) => {
        const peer = await context.websocket();
        const payload = Buffer.alloc(size, "x");
        peer.send({ opcode, payload });
        await peer.expectMessage(opcode === TEXT ? payload.toString() : payload);
      },
    };
  }),
);

export const FRAMING: readonly Case[] = [...RESERVED_BITS, UNMASKED, ...SIZES];
