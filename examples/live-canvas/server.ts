// The server of a canvas on which many pages draw together, in one file that you can copy.
//
//   npx tsx examples/live-canvas/server.ts

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Server } from "barewire";

type Reply = (refusal: string | null) => void;
type Person = { id: string; name: string; hue: number };
// Only our own page follows these types. Every other client can send anything, so the arguments are checked.
export interface ClientEvents {
  stroke: (stroke: unknown, reply: Reply) => void;
  erase: (ids: unknown, reply: Reply) => void;
  cursor: (...numbers: unknown[]) => void;
}
export interface ServerEvents {
  welcome: (drawing: Uint8Array | null, received: () => void) => void;
  people: (people: Person[]) => void;
  stroke: (stroke: Uint8Array, from: string) => void;
  erased: (ids: unknown[]) => void;
  cursor: (from: string, ...numbers: unknown[]) => void;
}
export type SocketData = { person?: Person; hasDrawing?: boolean };

// The bytes of a stroke: kind (1), colour (1), width (2), number of points (2), id (16), and 4 for each point.
const HEADER = 22;
const MAX = { strokes: 2000, points: 1000, colour: 7, width: 3300 };
const MOODS = ["Calm", "Merry", "Bright", "Gentle", "Quick", "Brave", "Sunny"];
const ANIMALS = ["Otter", "Heron", "Fox", "Badger", "Wren", "Hare", "Newt", "Lynx", "Owl", "Seal"];
const POLICY = "default-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";
const JS = "text/javascript";
const load = (file: string) => readFileSync(new URL(file, import.meta.url));
const FILES = [
  ["/", "text/html", load("public/index.html")],
  ["/canvas.css", "text/css", load("public/canvas.css")],
  ["/canvas.js", JS, load("public/canvas.js")],
  ["/stroke.js", JS, load("public/stroke.js")],
] as const;

/**
 * Returns the bytes if they are a stroke. Copies the bytes, because received bytes are part of a larger buffer, which
 * would otherwise stay in memory.
 */
function strokeOf(given: unknown): Buffer | undefined {
  if (!(given instanceof Uint8Array) || given.length > HEADER + MAX.points * 4) return undefined;
  if (given.length < HEADER + 4) return undefined;
  const stroke = Buffer.from(given);
  const width = stroke.readUInt16BE(2);
  if (stroke[0] !== 1 || stroke.readUInt8(1) > MAX.colour) return undefined;
  if (width === 0 || width > MAX.width) return undefined;
  return stroke.length === HEADER + stroke.readUInt16BE(4) * 4 ? stroke : undefined;
}

/** Returns whether the numbers are a valid x, y, colour and width. The width is 0 while the person does not draw. */
function isCursor(numbers: unknown[]): boolean {
  const most = [0xffff, 0xffff, MAX.colour, MAX.width];
  const fits = (value: unknown, i: number) =>
    typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= (most[i] ?? -1);
  return numbers.length === most.length && numbers.every(fits);
}

export async function startLiveCanvas(
  port: number,
): Promise<{ url: string; close(): Promise<void> }> {
  const http = createServer((request, response) => {
    const file = FILES.find(([path]) => path === request.url?.split("?")[0]);
    const [, type, body] = file ?? ["", "text/plain", "Not found"];
    response.setHeader("Content-Security-Policy", POLICY);
    response.setHeader("Content-Type", `${type}; charset=utf-8`);
    response.writeHead(file ? 200 : 404, { "X-Content-Type-Options": "nosniff" }).end(body);
  });
  const io = new Server<ClientEvents, ServerEvents, Record<string, never>, SocketData>(http, {
    connectionStateRecovery: {},
  });
  const past = new Map<unknown, { stroke: Buffer; owner: unknown }>();
  const tellPeople = () => {
    const sockets = [...io.sockets.sockets.values()];
    io.emit(
      "people",
      sockets.flatMap(({ data }) => data.person ?? []),
    );
  };
  let visits = 0;

  io.on("connection", (socket) => {
    // A secret of the page, which proves after a reconnection that the page is the owner of its strokes.
    const owner = socket.handshake.auth.key ?? Symbol();
    socket.data.person ??= {
      id: socket.id,
      name: `${MOODS[visits % MOODS.length]} ${ANIMALS[visits % ANIMALS.length]}`,
      hue: (20 + visits++ * 137) % 360,
    };
    // The client receives this event after the missed events. The event has an acknowledgement, so it is not kept for
    // recovery: to keep the whole drawing for each visitor would use too much memory.
    const all = () => Buffer.concat([...past.values()].map(({ stroke }) => stroke));
    const drawing = socket.recovered && socket.data.hasDrawing ? null : all();
    socket.emit("welcome", drawing, () => {
      socket.data.hasDrawing = true;
    });
    tellPeople();
    socket.on("disconnect", tellPeople);

    socket.on("stroke", (given, reply) => {
      if (typeof reply !== "function") return;
      const stroke = strokeOf(given);
      if (stroke === undefined) return reply("Not a stroke.");
      reply(null);
      const id = stroke.toString("hex", 6, HEADER);
      // A client that lost its connection before the acknowledgement sends the stroke twice.
      if (past.has(id)) return;
      past.set(id, { stroke, owner });
      const [oldest] = past.keys();
      if (past.size > MAX.strokes) past.delete(oldest);
      socket.broadcast.emit("stroke", stroke, socket.id);
    });

    socket.on("erase", (ids, reply) => {
      if (typeof reply !== "function" || !Array.isArray(ids)) return;
      const own = ids.filter((id) => past.get(id)?.owner === owner);
      for (const id of own) past.delete(id);
      reply(null);
      io.emit("erased", own);
    });

    socket.on("cursor", (...numbers) => {
      if (isCursor(numbers)) socket.volatile.broadcast.emit("cursor", socket.id, ...numbers);
    });
  });
  await once(http.listen(port, "127.0.0.1"), "listening");
  const address = http.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : address}`;
  return { url, close: () => io.close() };
}

if (process.argv[1] === import.meta.filename) {
  const canvas = await startLiveCanvas(Number(process.env.PORT ?? 3000));
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => canvas.close());
  console.log(`The canvas is at ${canvas.url}`);
}
