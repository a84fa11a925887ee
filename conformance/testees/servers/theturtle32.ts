// The npm package websocket (by theturtle32) as the server under test: the WebSocket layer only.
//
//   tsx conformance/testees/servers/theturtle32.ts [port] [folder with node_modules/websocket]

import { createServer, type Server } from "node:http";

import { WEBSOCKET_MAX_PAYLOAD } from "./behaviour.ts";
import { listen, requireFrom } from "./listen.ts";

/** The parts of the package that are used here. The package has no types. */
interface TurtleModule {
  readonly server: new (options: {
    readonly httpServer: Server;
    readonly maxReceivedFrameSize: number;
    readonly maxReceivedMessageSize: number;
  }) => {
    on(event: "request", listener: (request: TurtleRequest) => void): void;
  };
}

interface TurtleRequest {
  readonly requestedProtocols: readonly string[];
  readonly resourceURL: { readonly pathname: string };
  accept(protocol: string | undefined): TurtleConnection;
  reject(status: number): void;
}

type TurtleMessage =
  | { readonly type: "utf8"; readonly utf8Data: string }
  | { readonly type: "binary"; readonly binaryData: Uint8Array };

interface TurtleConnection {
  on(event: "message", listener: (message: TurtleMessage) => void): void;
  sendUTF(text: string): void;
  sendBytes(bytes: Uint8Array): void;
}

const { server: WebSocketServer }: TurtleModule = requireFrom(process.argv[3])("websocket");

const http = createServer((_request, response) => {
  response.writeHead(404).end();
});
const websockets = new WebSocketServer({
  httpServer: http,
  maxReceivedFrameSize: WEBSOCKET_MAX_PAYLOAD,
  maxReceivedMessageSize: WEBSOCKET_MAX_PAYLOAD,
});
websockets.on("request", (request) => {
  if (request.resourceURL.pathname !== "/websocket") {
    request.reject(404);
    return;
  }
  const connection = request.accept(request.requestedProtocols.find((name) => name === "echo"));
  connection.on("message", (message) => {
    if (message.type === "utf8") connection.sendUTF(message.utf8Data);
    else connection.sendBytes(message.binaryData);
  });
});
listen(http);
