// Compile-time tests of programs that use the server. `npm run types` checks this file, and nothing here runs. Each
// line that must not compile has a @ts-expect-error.

import {
  type DisconnectReason,
  type Event,
  type ExtendedError,
  type HandlerMethods,
  NamespaceHandler,
  type RemoteSocket,
  type Server,
  type Socket,
} from "../../server.ts";

interface ClientEvents {
  chat: (text: string, delivered: (at: number) => void) => void;
  plain: (n: number, rest: string[]) => void;
}
interface ServerEvents {
  chat: (from: string, text: string) => void;
  ask: (question: string, answer: (reply: string, sure: boolean) => void) => void;
  nodeish: (answer: (error: Error | null, value: string) => void) => void;
  message: (text: string) => void;
}
interface Data {
  name: string;
}
type NoEvents = Record<string, never>;
type TypedServer = Server<ClientEvents, ServerEvents, NoEvents, Data>;
type TypedSocket = Socket<ClientEvents, ServerEvents, NoEvents, Data>;

/** Compiles only if both types are identical, neither wider nor narrower. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(yes: Same<A, B>): void;

export async function aTypedServer(io: TypedServer): Promise<void> {
  io.on("connection", (socket) => same<typeof socket, TypedSocket>(true));
  io.use((socket, next) => {
    same<typeof socket.data, Data>(true);
    next(new Error(socket.data.name));
  });
  io.of("/a").on("connection", (socket) => same<typeof socket, TypedSocket>(true));
  io.of(/b/).on("connection", (socket) => same<typeof socket, TypedSocket>(true));

  io.emit("chat", "from", "text");
  io.to("room").emit("chat", "from", "text");
  // @ts-expect-error there is no such event
  io.emit("nothing");
  // @ts-expect-error an argument is missing
  io.emit("chat", "from");
  // @ts-expect-error an argument is of another type
  io.except("room").emit("chat", "from", 1);
  io.send("text");
  // @ts-expect-error the argument of a message must be a string
  io.send(1);

  io.timeout(1).emit("ask", "why?", (error, responses) => {
    same<typeof error, Error>(true);
    same<typeof responses, string[]>(true);
  });
  const responses = await io.in("room").emitWithAck("ask", "why?");
  same<typeof responses, string[]>(true);
  // @ts-expect-error emitWithAck() accepts no callback
  await io.emitWithAck("ask", "why?", () => {});

  const [remote] = await io.fetchSockets();
  if (remote === undefined) return;
  same<typeof remote, RemoteSocket<ServerEvents, Data>>(true);
  same<typeof remote.data, Data>(true);
  remote.emit("chat", "from", "text");
  // A RemoteSocket returns the same type of acknowledgement as the socket itself.
  const response = await remote.timeout(1).emitWithAck("ask", "why?");
  same<typeof response, string>(true);
  const { nsp } = [...io.sockets.sockets.values()][0] ?? {};
  nsp?.to("room").emit("chat", "from", "text");
}

export async function aTypedSocket(socket: TypedSocket): Promise<void> {
  socket.on("chat", (text, delivered) => {
    same<typeof text, string>(true);
    delivered(1);
    // @ts-expect-error the argument of the acknowledgement must be a number
    delivered("1");
  });
  socket.on("plain", (n, rest) => {
    same<typeof n, number>(true);
    same<typeof rest, string[]>(true);
  });
  socket.on("disconnect", (reason, description) => {
    same<typeof description, Error | undefined>(true);
    // @ts-expect-error there is no such reason
    if (reason === "boredom") return;
  });
  socket.once("error", (error) => same<typeof error, Error>(true));
  // @ts-expect-error there is no such event
  socket.on("nothing", () => {});

  socket.emit("ask", "why?", (reply, sure) => {
    same<typeof reply, string>(true);
    same<typeof sure, boolean>(true);
  });
  socket.timeout(1).emit("ask", "why?", (error, reply, sure) => {
    same<typeof error, Error>(true);
    same<typeof reply, string>(true);
    same<typeof sure, boolean>(true);
  });
  socket.volatile.compress(true).emit("chat", "from", "text");
  // @ts-expect-error an argument is missing
  socket.broadcast.emit("chat", "from");
  const reply = await socket.emitWithAck("ask", "why?");
  same<typeof reply, string>(true);
  const timely = await socket.timeout(1).emitWithAck("ask", "why?");
  same<typeof timely, string>(true);
  const first = await socket.emitWithAck("nodeish");
  same<typeof first, Error | null>(true);
  const second = await socket.timeout(1).emitWithAck("nodeish");
  same<typeof second, Error | null>(true);
}

/** Without declared events, every event and argument compiles, as in a program without types. */
export async function anUntypedServer(io: Server): Promise<void> {
  io.on("connection", (socket) => {
    socket.on("anything", (a, b, callback) => callback(a.b.c, b));
    socket.emit("anything", 1, { two: 2 }, (...args: unknown[]) => args);
    socket.data.anything = 1;
    socket
      .to("room")
      .timeout(1)
      .emit("anything", (error: Error, all: unknown[]) => [error, all]);
    socket.on("disconnect", (reason) => reason.length);
  });
  const value = await io.timeout(1).emitWithAck("anything", 1, 2, 3);
  value[0].anything();
}

// Acknowledgements, handlers, and features that socket.io does not have.

interface SharedEvents {
  count: (n: number, answer: (total: number) => void) => void;
  stop: () => void;
}

export async function serversAmongEachOther(
  io: Server<ClientEvents, ServerEvents, SharedEvents, Data>,
): Promise<void> {
  io.on("count", (n, answer) => {
    same<typeof n, number>(true);
    answer(n);
  });
  io.on("connection", (socket) => same<typeof socket.data, Data>(true));
  io.serverSideEmit("stop");
  io.serverSideEmit("count", 1, (error, totals) => {
    same<typeof error, Error>(true);
    same<typeof totals, number[]>(true);
  });
  const totals = await io.of("/a").serverSideEmitWithAck("count", 1);
  same<typeof totals, number[]>(true);
  // @ts-expect-error there is no such event
  io.serverSideEmit("chat", "x");
  // @ts-expect-error the number is missing
  io.serverSideEmit("count");
}

class Typed
  extends NamespaceHandler<ClientEvents, ServerEvents, NoEvents, Data>
  implements HandlerMethods<ClientEvents, ServerEvents, NoEvents, Data>
{
  override onConnect(socket: TypedSocket): void {
    socket.data = { name: "x" };
    this.emit("chat", "from", "text");
    // @ts-expect-error an argument is missing
    this.emit("chat", "from");
  }
  onChat(socket: TypedSocket, text: string): string {
    return socket.data.name + text;
  }
  on_plain(_socket: TypedSocket, n: number, rest: string[]): number {
    return n + rest.length;
  }
}

class Mistyped extends NamespaceHandler<ClientEvents, ServerEvents, NoEvents, Data> {
  onPlain(_socket: TypedSocket, _n: string): void {}
}

export async function handlers(io: TypedServer): Promise<void> {
  io.register(new Typed("/typed"));
  // @ts-expect-error a method of the handler does not match the type of its event
  io.register(new Mistyped("/mistyped"));
  io.onError((error, { socket, event, args }) => {
    same<typeof error, unknown>(true);
    same<typeof socket, TypedSocket | undefined>(true);
    same<typeof event, string>(true);
    return args.length;
  });
  const client = await io.testClient();
  await client.emit("chat", "text");
  // @ts-expect-error the argument of the event must be a number
  await client.emit("plain", "1", []);
}

/** Uses the type names that programs import from socket.io. */
export async function exportedTypes(io: TypedServer, socket: TypedSocket): Promise<void> {
  socket.use((event, next) => {
    same<typeof event, Event>(true);
    next();
  });
  socket.on("disconnect", (reason) => same<typeof reason, DisconnectReason>(true));
  const refusal: ExtendedError = Object.assign(new Error("no"), { data: { code: 401 } });
  io.use((_socket, next) => next(refusal));
  const replies = await io.timeout(1).to("room").emitWithAck("ask", "why?");
  same<typeof replies, string[]>(true);
  socket.conn.on("packetCreate", ({ options }) => same<typeof options.compress, boolean>(true));
  same<typeof io.engine.opts.pingInterval, number>(true);
}
