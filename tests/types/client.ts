// Compile-time tests of programs that use the client. `npm run types` checks this file, and nothing here runs. Each
// line that must not compile has a @ts-expect-error.

import io, {
  connect,
  type DisconnectDescription,
  type ExtendedError,
  Manager,
  type ManagerOptions,
  type ManagerReservedEvents,
  type Socket,
  type SocketOptions,
  type SocketReservedEvents,
} from "../../client/index.ts";
import type { Server } from "../../server.ts";

interface ClientEvents {
  chat: (text: string, delivered: (at: number) => void) => void;
  plain: (n: number) => void;
  leave: () => void;
}
interface ServerEvents {
  news: (from: string, text: string) => void;
  ask: (question: string, answer: (reply: string, sure: boolean) => void) => void;
}

/** Compiles only if both types are identical, neither wider nor narrower. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(yes: Same<A, B>): void;

/**
 * The server and the client use the same two event maps. Each type takes the map of the events that it receives first,
 * and then the map of the events that it emits.
 */
export type TypedServer = Server<ClientEvents, ServerEvents>;
type TypedSocket = Socket<ServerEvents, ClientEvents>;

export async function aTypedClient(): Promise<void> {
  const socket: TypedSocket = io("http://localhost:3000/admin", {
    auth: (answer) => answer({ token: "secret" }),
    transports: ["polling", "websocket"],
  });
  socket.on("news", (from, text) => {
    same<typeof from, string>(true);
    same<typeof text, string>(true);
  });
  socket.on("ask", (question, answer) => {
    same<typeof question, string>(true);
    answer("reply", true);
    // @ts-expect-error an argument of the acknowledgement is missing
    answer("reply");
  });
  socket.once("connect", () => same<typeof socket.connected, boolean>(true));
  socket.on("connect_error", (error) => {
    same<typeof error.message, string>(true);
  });
  socket.on("disconnect", (reason) => {
    if (reason === "io server disconnect") socket.connect();
    // @ts-expect-error there is no such reason
    if (reason === "boredom") return;
  });
  // @ts-expect-error there is no such event
  socket.on("nothing", () => {});
  // @ts-expect-error only the client emits this event
  socket.on("plain", () => {});

  socket.emit("plain", 1);
  socket.volatile.compress(false).emit("leave");
  socket.emit("chat", "text", (at) => same<typeof at, number>(true));
  // @ts-expect-error there is no such event
  socket.emit("nothing");
  // @ts-expect-error only the server emits this event
  socket.emit("news", "from", "text");
  // @ts-expect-error an argument is of another type
  socket.emit("plain", "1");
  // @ts-expect-error an argument is missing
  socket.emit("plain");

  const at = await socket.emitWithAck("chat", "text");
  same<typeof at, number>(true);
  const timely = await socket.timeout(1000).emitWithAck("chat", "text");
  same<typeof timely, number>(true);
  socket.timeout(1000).emit("chat", "text", (error, late) => {
    same<typeof error, Error>(true);
    same<typeof late, number>(true);
  });
  // @ts-expect-error emitWithAck() accepts no callback
  await socket.emitWithAck("chat", "text", () => {});
}

/** Without declared events, every event and argument compiles, as in a program without types. */
export async function anUntypedClient(): Promise<void> {
  const socket = io();
  socket.on("anything", (a, b, callback) => callback(a.b.c, b));
  socket.emit("anything", 1, { two: 2 }, (...args: unknown[]) => args);
  socket.onAny((event, ...args) => socket.emit(event, ...args));
  const answer = await socket.emitWithAck("anything");
  answer.of.any.shape();
  for await (const [event, first] of socket) socket.emit(event, first);
}

export function aTypedManager(): TypedSocket {
  const manager = new Manager("http://localhost:3000", { reconnectionDelayMax: 1000 });
  manager.on("reconnect_attempt", (attempt) => same<typeof attempt, number>(true));
  // @ts-expect-error the delay is a number of milliseconds
  manager.reconnectionDelay("1");
  // @ts-expect-error there is no such transport
  io({ transports: ["pigeon"] });
  return manager.socket("/admin");
}

/** Uses the type names that programs import from socket.io-client. */
export function namesOfStock(): void {
  const options: Partial<ManagerOptions & SocketOptions> = {
    forceNew: true,
    multiplex: false,
    auth: { token: "secret" },
    retries: 3,
    ackTimeout: 1000,
    rejectUnauthorized: false,
    query: { a: 1 },
  };
  const sockets = [io(options), io("/a", options), io.connect("/a"), io.io("/a"), connect("/a")];
  const managers = [
    new Manager(),
    new Manager(options),
    new Manager("//host", options),
    new io.Manager("host:1"),
  ];
  const onDisconnect = (reason: Socket.DisconnectReason, details?: DisconnectDescription): void => {
    if (reason === "ping timeout" && !(details instanceof Error)) details?.description.trim();
  };
  const onError = (error: ExtendedError): void => error.data.anything;
  for (const socket of sockets) {
    socket.on("disconnect", onDisconnect).on("connect_error", onError);
    socket.on("connect_error", (error) => error.data.code);
    if (socket instanceof io.Socket) socket.connect();
  }
  const onAttempt: ManagerReservedEvents["reconnect_attempt"] = () => {};
  const onConnect: SocketReservedEvents["connect"] = () => {};
  for (const manager of managers) manager.on("reconnect_attempt", onAttempt);
  sockets[0]?.on("connect", onConnect);
}
