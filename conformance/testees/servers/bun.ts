// Bun as the server under test: the WebSocket layer only.
//
//   bun conformance/testees/servers/bun.ts [port]

/** The parts of Bun's API that are used here. Bun's types are a separate package. */
interface BunWebSocket {
  send(data: string | Uint8Array): void;
}

interface BunServer {
  readonly port: number;
  upgrade(request: Request, options: { readonly headers: Record<string, string> }): boolean;
}

declare const Bun: {
  serve(options: {
    readonly port: number;
    readonly hostname: string;
    fetch(request: Request, server: BunServer): Response | undefined;
    readonly websocket: {
      readonly maxPayloadLength: number;
      readonly perMessageDeflate: boolean;
      message(socket: BunWebSocket, data: string | Uint8Array): void;
    };
  }): BunServer;
};

const { port } = Bun.serve({
  port: Number(process.argv[2] ?? 0),
  hostname: "127.0.0.1",
  fetch(request, server) {
    if (new URL(request.url).pathname !== "/websocket") return new Response("", { status: 404 });
    const offered = request.headers.get("sec-websocket-protocol") ?? "";
    const knows = offered.split(",").some((name) => name.trim() === "echo");
    const headers: Record<string, string> = knows ? { "Sec-WebSocket-Protocol": "echo" } : {};
    if (server.upgrade(request, { headers })) return undefined;
    return new Response("", { status: 400 });
  },
  websocket: {
    // The same limit as WEBSOCKET_MAX_PAYLOAD in behaviour.ts. This file imports nothing, because
    // it also runs without node_modules.
    maxPayloadLength: 16 * 1024 * 1024,
    perMessageDeflate: true,
    message: (socket, data) => socket.send(data),
  },
});
console.log(`http://127.0.0.1:${port}`);
