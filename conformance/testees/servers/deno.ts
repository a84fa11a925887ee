// Deno as the server under test: the WebSocket layer only.
//
//   deno run --allow-net conformance/testees/servers/deno.ts [port]

/** The parts of Deno's API that are used here. TypeScript does not have Deno's types. */
declare const Deno: {
  readonly args: readonly string[];
  serve(
    options: {
      readonly port: number;
      readonly hostname: string;
      onListen(address: { readonly port: number }): void;
    },
    handler: (request: Request) => Response,
  ): void;
  upgradeWebSocket(
    request: Request,
    options: { readonly protocol?: string },
  ): { readonly socket: DenoWebSocket; readonly response: Response };
};

interface DenoWebSocket {
  binaryType: string;
  onmessage: (event: { readonly data: string | ArrayBuffer }) => void;
  send(data: string | ArrayBuffer): void;
}

Deno.serve(
  {
    port: Number(Deno.args[0] ?? 0),
    hostname: "127.0.0.1",
    onListen: ({ port }) => console.log(`http://127.0.0.1:${port}`),
  },
  (request) => {
    if (new URL(request.url).pathname !== "/websocket") return new Response("", { status: 404 });
    const offered = request.headers.get("sec-websocket-protocol") ?? "";
    const knows = offered.split(",").some((name) => name.trim() === "echo");
    try {
      const { socket, response } = Deno.upgradeWebSocket(
        request,
        knows ? { protocol: "echo" } : {},
      );
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }) => socket.send(data);
      return response;
    } catch {
      // upgradeWebSocket() throws if the request is not a WebSocket handshake.
      return new Response("", { status: 400 });
    }
  },
);
