// Runs the suite of a session's transport with polling and with WebSocket.

import { type TransportClient, transportSuite } from "../../suites/transport.ts";
import { answerTo, open, PollingClient, WebSocketClient } from "../../support/net.ts";

const SEPARATOR = "\x1e";

function decode(packet: string): string | Uint8Array {
  return packet.startsWith("b") ? Buffer.from(packet.slice(1), "base64") : packet;
}

transportSuite({
  name: "polling",
  open: async (port): Promise<TransportClient> => {
    const client = await PollingClient.open(port);
    const received: (string | Uint8Array)[] = [];
    let pending: ReturnType<typeof open> | undefined;
    const poll = async (): Promise<boolean> => {
      const request = open(port, client.path);
      pending = request;
      request.end();
      const { status, body } = await answerTo(request);
      if (status !== 200) return false;
      received.push(...body.split(SEPARATOR).map(decode));
      return true;
    };
    const next = async (): Promise<string | Uint8Array> => {
      while (received.length === 0) await poll();
      return received.shift() ?? "";
    };
    return {
      next,
      send: async (...packets) => {
        const encoded = packets.map((packet) =>
          typeof packet === "string" ? packet : `b${Buffer.from(packet).toString("base64")}`,
        );
        const { status, body } = await client.post(encoded.join(SEPARATOR));
        if (status !== 200) throw new Error(body);
      },
      vanish: () => {
        const polled = poll();
        polled.catch(() => {});
        // When the POST is answered, the server has received the GET. Only then is the connection of the GET broken.
        void client.post("3").then(() => pending?.destroy());
      },
      ended: async () => {
        while (await poll().catch(() => false));
        return received.splice(0);
      },
    };
  },
});

transportSuite({
  name: "websocket",
  open: async (port): Promise<TransportClient> => {
    const client = new WebSocketClient(port);
    await client.next();
    return {
      next: () => client.next(),
      send: async (...packets) => {
        for (const packet of packets) client.send(packet);
      },
      vanish: () => client.socket.terminate(),
      ended: async () => {
        await client.closed;
        const received: (string | Uint8Array)[] = [];
        for (;;) {
          const packet = await client.next().catch(() => undefined);
          if (packet === undefined) return received;
          received.push(packet);
        }
      },
    };
  },
});
