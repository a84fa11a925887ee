// RFC 6455 §5.6: this case is written in TypeScript, because a transcript cannot compute a text of a million characters.

import type { Case } from "../../../harness/case.ts";

export const UTF8: readonly Case[] = [
  {
    id: "websocket.utf8.every-character",
    title: "echoes a text of every character except the surrogates",
    clause: "RFC 6455 §5.6",
    sentence:
      "RFC 6455 §6.2: Incoming data MUST be parsed as WebSocket frames as defined in Section 5.2.",
    severity: "MUST",
    sends: "a text of 1,112,064 characters",
    expects: "the same text",
    run: async (context) => {
      const peer = await context.websocket();
      const parts: string[] = [];
      for (let code = 0; code <= 0x10ffff; code++) {
        if (code < 0xd800 || code > 0xdfff) parts.push(String.fromCodePoint(code));
      }
      const text = parts.join("");
      peer.sendText(text);
      await peer.expectMessage(text);
    },
  },
];
