// The server of a chat with rooms, in one file that you can copy. `npm start` runs it.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Server } from "barewire";
import { createRedisAdapter } from "barewire/redis";

// Names are not unique: two people may have the same name. Ids are unique.
type Person = { id: string; name: string };
type Message = { id: string; from: Person; at: number; content: string | Uint8Array };
type Reply = (refusal: string | null, past?: Message[]) => void;
// Only our own page follows these types. Every other client can send anything, so the arguments are checked.
export interface ClientEvents {
  enter: (name: unknown, room: unknown, reply: Reply) => void;
  message: (id: unknown, content: unknown, reply: Reply) => void;
  typing: (on: unknown) => void;
}
export interface ServerEvents {
  presence: (peopleByRoom: Record<string, Person[]>) => void;
  joined: (person: Person) => void;
  left: (person: Person) => void;
  message: (message: Message) => void;
  typing: (person: Person, on: boolean) => void;
}
/** The events between the processes of the chat. */
type ProcessEvents = { said: (room: string, message: Message) => void };
export type SocketData = { seat?: { person: Person; room: string } };

const ROOMS = ["lobby", "workshop", "kitchen", "garden"];
const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N} .'_-]{0,23}$/u;
const IMAGE = /^(\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|RIFF.{4}WEBP)/s;
// Polling encodes an image in base64. The result must fit into one message, at most 1,000,000 bytes.
// The earlier messages are sent as one packet, and clients accept at most 10 attachments in one packet.
const MAX = { text: 2000, image: 700_000, past: 50, pastImages: 8 };
const POLICY = "default-src 'self'; img-src blob: data:; base-uri 'none'; frame-ancestors 'none'";
const JS = "text/javascript";
const load = (file: string) => readFileSync(new URL(file, import.meta.url));
const FILES = [
  ["/", "text/html", load("public/index.html")],
  ["/chat.css", "text/css", load("public/chat.css")],
  ["/chat.js", JS, load("public/chat.js")],
] as const;

function isContent(content: unknown): content is Message["content"] {
  if (typeof content === "string") return content.length <= MAX.text && content.trim() !== "";
  if (!(content instanceof Uint8Array) || content.length > MAX.image) return false;
  return IMAGE.test(Buffer.from(content.subarray(0, 12)).toString("latin1"));
}

/** If REDIS_URL is set, all processes that use the same Redis share one chat. */
async function redisAdapter(url: string) {
  const { createClient } = await import("redis");
  const adapter = createRedisAdapter(createClient({ url }));
  await adapter.ready.catch((error) => {
    adapter.close();
    throw error;
  });
  return adapter;
}

export async function startChat(
  port: number,
  redis?: string,
): Promise<{ url: string; close(): Promise<void> }> {
  const http = createServer((request, response) => {
    const file = FILES.find(([path]) => path === request.url?.split("?")[0]);
    const [, type, body] = file ?? ["", "text/plain", "Not found"];
    response.setHeader("Content-Security-Policy", POLICY);
    response.setHeader("Content-Type", `${type}; charset=utf-8`);
    response.writeHead(file ? 200 : 404, { "X-Content-Type-Options": "nosniff" }).end(body);
  });
  const options = redis === undefined ? {} : { adapter: await redisAdapter(redis) };
  const io = new Server<ClientEvents, ServerEvents, ProcessEvents, SocketData>(http, options);
  // The latest messages since the start of this process, by room.
  const pasts = new Map<unknown, Message[]>(ROOMS.map((room) => [room, []]));
  const remember = (room: string, message: Message) => {
    const past = pasts.get(room) ?? [];
    past.push(message);
    const images = () => past.filter(({ content }) => typeof content !== "string").length;
    while (past.length > MAX.past || images() > MAX.pastImages) past.shift();
  };
  io.on("said", remember);
  const tellPresence = async () => {
    const sockets = await io.fetchSockets();
    const seats = sockets.flatMap(({ data }) => data.seat ?? []);
    const people = (room: string) => seats.filter((s) => s.room === room).map((s) => s.person);
    io.emit("presence", Object.fromEntries(ROOMS.map((room) => [room, people(room)])));
  };

  io.on("connection", (socket) => {
    const leave = () => {
      const { seat } = socket.data;
      socket.data = {};
      if (seat === undefined) return;
      socket.leave(seat.room);
      io.to(seat.room).emit("left", seat.person);
      tellPresence();
    };
    socket.on("disconnect", leave);
    tellPresence();
    socket.on("enter", (name, room, reply) => {
      const past = pasts.get(room);
      if (typeof reply !== "function" || typeof room !== "string" || past === undefined) return;
      if (typeof name !== "string" || !NAME.test(name)) return reply("Letters and digits, please.");
      leave();
      const person = { id: socket.id, name };
      socket.data = { seat: { person, room } };
      socket.join(room);
      reply(null, past);
      socket.to(room).emit("joined", person);
      tellPresence();
    });

    socket.on("message", (id, content, reply) => {
      const { seat } = socket.data;
      if (typeof reply !== "function" || typeof id !== "string" || id.length > 36) return;
      if (seat === undefined || !isContent(content)) return reply("Not accepted.");
      reply(null);
      // A client that lost its connection before the acknowledgement sends the message twice.
      if (pasts.get(seat.room)?.some((message) => message.id === id)) return;
      const message = { id, from: seat.person, at: Date.now(), content };
      remember(seat.room, message);
      io.serverSideEmit("said", seat.room, message);
      socket.to(seat.room).emit("message", message);
    });

    socket.on("typing", (on) => {
      const { seat } = socket.data;
      if (seat) socket.to(seat.room).emit("typing", seat.person, on === true);
    });
  });
  await once(http.listen(port, "127.0.0.1"), "listening");
  const address = http.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : address}`;
  return { url, close: () => io.close() };
}

if (process.argv[1] === import.meta.filename) {
  const { PORT = "3000", REDIS_URL } = process.env;
  const chat = await startChat(Number(PORT), REDIS_URL);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => chat.close());
  console.log(`The chat is at ${chat.url}`);
  if (REDIS_URL !== undefined) console.log("All processes with this REDIS_URL share one chat.");
  else
    console.log("To share one chat, start each process with the same REDIS_URL and its own PORT.");
}
