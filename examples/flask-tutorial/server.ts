// The server of Flask-SocketIO's tutorial, whose page loads socket.io-client 1.3.6. A comment above each part contains
// the Python code of the tutorial.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";

import { NamespaceHandler, type Running, Server, type Socket } from "barewire";

const load = (file: string) => readFileSync(new URL(file, import.meta.url));
// Install this client with: npm install socket.io-client-1.3@npm:socket.io-client@1.3.6
const CLIENT = createRequire(import.meta.url).resolve("socket.io-client-1.3/socket.io.js");
const FILES = [
  ["/", "text/html", load("public/index.html")],
  ["/page.js", "text/javascript", load("public/page.js")],
  ["/client.js", "text/javascript", readFileSync(CLIENT)],
] as const;

/** The log of events, for the console. */
type Log = (line: string) => void;

// class MyCustomNamespace(Namespace):
//     def on_connect(self): …
//     def on_disconnect(self): …
//     def on_my_event(self, data): emit('my_response', data)
class MyCustomNamespace extends NamespaceHandler {
  readonly #log: Log;

  constructor(name: string, log: Log) {
    super(name);
    this.#log = log;
  }

  override onConnect(): void {
    this.#log("connected to /test");
  }

  override onDisconnect(): void {
    this.#log("disconnected from /test");
  }

  on_my_event(socket: Socket, data: unknown): void {
    socket.emit("my_response", data);
  }
}

/** Starts the server of the tutorial. Resolves when the server listens. */
export function startTutorial(port: number, log: Log): Promise<Running> {
  const http = createServer((request, response) => {
    const file = FILES.find(([path]) => path === request.url?.split("?")[0]);
    const [, type, body] = file ?? ["", "text/plain", "Not found"];
    response.setHeader("Content-Type", `${type}; charset=utf-8`);
    response.writeHead(file ? 200 : 404).end(body);
  });

  // socketio = SocketIO(app)
  // Clients 1.x and 2.x use an older protocol than clients since 3.0. The server accepts clients 1.x and 2.x only with
  // the option `allowEIO3`.
  const io = new Server(http, { allowEIO3: true, ackReturnValues: true });

  // @socketio.on('connect')
  io.on("connection", (socket) => {
    log("connected");

    // @socketio.on('message')
    // def handle_message(message): send(message)
    socket.on("message", (message) => {
      log(`received message: ${message}`);
      socket.send(message);
    });

    // @socketio.on('json')
    // def handle_json(json): send(json, json=True)
    socket.on("json", (json) => {
      log(`received json: ${JSON.stringify(json)}`);
      socket.json(json);
    });

    // @socketio.on('my event')
    // def handle_my_custom_event(json): emit('my response', json); return 'one'
    socket.on("my event", (json) => {
      socket.emit("my response", json);
      return "one";
    });

    // @socketio.on('my broadcast event')
    // def …(json): emit('my response', json, broadcast=True)
    socket.on("my broadcast event", (json) => {
      io.emit("my response", json);
    });

    // @socketio.on('join')
    // def on_join(data): join_room(data['room']); send(… + ' has entered the room.', to=room)
    socket.on("join", ({ username, room }) => {
      socket.join(room);
      io.to(room).send(`${username} has entered the room.`);
    });

    // @socketio.on('leave')
    socket.on("leave", ({ username, room }) => {
      socket.leave(room);
      io.to(room).send(`${username} has left the room.`);
    });

    // @socketio.on('disconnect')
    socket.on("disconnect", () => log("disconnected"));
  });

  // @socketio.on_error_default
  // def default_error_handler(e): …
  io.onError((error, { event }) => {
    log(`error in "${event}": ${error instanceof Error ? error.message : error}`);
    return "error";
  });

  // socketio.on_namespace(MyCustomNamespace('/test'))
  io.register(new MyCustomNamespace("/test", log));

  // if __name__ == '__main__': socketio.run(app)
  return io.run({ port, log });
}

if (process.argv[1] === import.meta.filename) {
  await startTutorial(Number(process.env.PORT ?? 5000), console.log);
}
