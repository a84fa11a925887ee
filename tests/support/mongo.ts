// A stand-in for MongoDB, which is missing in Debian and npm. It implements the part of the wire protocol that the
// driver needs for socket.io's adapter and emitter: insert, find and change streams over in-memory collections. An
// unknown operation or operator is an error.
//
// The format: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ (OP_MSG), with documents in the
// format of https://bsonspec.org, encoded and decoded by the driver's own package.

import { createServer, type Server, type Socket } from "node:net";

import { BSON, Long, ObjectId } from "mongodb";

import type { Untyped } from "../../lib/events/emitter.ts";
import type { Cleanup } from "./installed.ts";
import { portOf } from "./net.ts";

interface Document {
  readonly [field: string]: unknown;
}

/** An inserted document, as a change stream reports it. */
interface Change extends Document {
  readonly fullDocument: Document;
}

/** An open change stream. */
interface ChangeStream {
  readonly namespace: string;
  readonly filter: Document;
  /** The number of changes that the stream has examined. */
  position: number;
  /** Responds to the request that waits for a change. */
  onChange: (() => void) | undefined;
}

const OP_MSG = 2013;
const HEADER = 16;
/** The time after which a request for changes gets an empty response, in milliseconds. */
const AWAIT = 1_000;

class CommandError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Mongo {
  /** The URL for a MongoClient with the option `serverApi: "1"`, because older commands are not supported. */
  readonly url: string;
}

/** Runs a stand-in for a replica set with one member on loopback until the test ends. */
export async function startMongo(context: Cleanup): Promise<Mongo> {
  const server = new MongoServer();
  context.after(() => server.close());
  const port = await server.listen();
  return { url: `mongodb://127.0.0.1:${port}/?directConnection=true` };
}

class MongoServer {
  readonly #server: Server = createServer((socket) => this.#accept(socket));
  readonly #sockets = new Set<Socket>();
  /** The changes of each collection, oldest first. */
  readonly #collections = new Map<string, Change[]>();
  readonly #streams = new Map<string, ChangeStream>();
  #lastCursor = 0;

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return portOf(this.#server);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    let received = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= HEADER && received.length >= received.readInt32LE(0)) {
        const length = received.readInt32LE(0);
        void this.#answer(socket, received.subarray(0, length));
        received = received.subarray(length);
      }
    });
  }

  async #answer(socket: Socket, message: Buffer): Promise<void> {
    const request = message.readInt32LE(4);
    let reply: Document;
    try {
      reply = { ok: 1, ...(await this.#run(readCommand(message))) };
    } catch (error) {
      const code = error instanceof CommandError ? error.code : 1;
      reply = { ok: 0, code, errmsg: String(error) };
    }
    const body = BSON.serialize(reply);
    const head = Buffer.alloc(HEADER + 5);
    head.writeInt32LE(head.length + body.length, 0);
    head.writeInt32LE(request, 8);
    head.writeInt32LE(OP_MSG, 12);
    if (socket.writable) socket.write(Buffer.concat([head, body]));
  }

  #run(command: Untyped): Document | Promise<Document> {
    const [name = ""] = Object.keys(command);
    const namespace = `${command.$db}.${command.collection ?? command[name]}`;
    switch (name) {
      case "hello":
        return HELLO;
      case "endSessions":
        return {};
      case "insert":
        return this.#insert(namespace, command.documents);
      case "find":
        return this.#find(namespace, command);
      case "aggregate":
        return this.#watch(namespace, command.pipeline);
      case "getMore":
        return this.#getMore(command.getMore);
      case "killCursors":
        for (const cursor of command.cursors) this.#kill(`${cursor}`);
        return { cursorsKilled: command.cursors };
      default:
        throw new CommandError(59, `no such command: ${name}`);
    }
  }

  #insert(namespace: string, documents: Document[]): Document {
    const changes = this.#changesOf(namespace);
    for (const fullDocument of documents) {
      const _id = tokenOf(changes.length + 1);
      changes.push({ _id, operationType: "insert", fullDocument });
    }
    for (const stream of this.#streams.values()) stream.onChange?.();
    return { n: documents.length };
  }

  #find(namespace: string, { filter, sort, limit }: Untyped): Document {
    const found = this.#changesOf(namespace)
      .map(({ fullDocument }) => fullDocument)
      .filter((document) => matches(document, filter))
      .sort((one, other) => compare(one._id, other._id));
    if (sort !== undefined && sort._id !== -1) throw new CommandError(2, "unknown sort");
    const firstBatch = sort === undefined ? found : found.reverse();
    return {
      cursor: {
        id: Long.ZERO,
        ns: namespace,
        firstBatch: limit === undefined ? firstBatch : firstBatch.slice(0, limit),
      },
    };
  }

  #watch(namespace: string, [first, second, ...more]: Untyped[]): Document {
    if (first?.$changeStream === undefined || more.length > 0)
      throw new CommandError(2, "the pipeline is unknown");
    const { resumeAfter } = first.$changeStream;
    const position =
      resumeAfter === undefined
        ? this.#changesOf(namespace).length
        : Number.parseInt(resumeAfter._data, 16);
    this.#lastCursor++;
    const id = Long.fromNumber(this.#lastCursor);
    const filter = second?.$match ?? {};
    this.#streams.set(`${id}`, { namespace, filter, position, onChange: undefined });
    const postBatchResumeToken = tokenOf(position);
    return { cursor: { id, ns: namespace, firstBatch: [], postBatchResumeToken } };
  }

  async #getMore(id: Long | number): Promise<Document> {
    const stream = this.#streams.get(`${id}`);
    if (stream === undefined) throw new CommandError(43, "the cursor is unknown");
    const { namespace, filter } = stream;
    const changes = this.#changesOf(namespace);
    if (stream.position === changes.length) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, AWAIT);
        stream.onChange = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      stream.onChange = undefined;
      if (!this.#streams.has(`${id}`)) throw new CommandError(237, "the cursor was killed");
    }
    const nextBatch = changes.slice(stream.position).filter((change) => matches(change, filter));
    stream.position = changes.length;
    const postBatchResumeToken = tokenOf(stream.position);
    return {
      cursor: { id: Long.fromValue(id), ns: namespace, nextBatch, postBatchResumeToken },
    };
  }

  #kill(id: string): void {
    const stream = this.#streams.get(id);
    this.#streams.delete(id);
    stream?.onChange?.();
  }

  #changesOf(namespace: string): Change[] {
    const known = this.#collections.get(namespace);
    if (known !== undefined) return known;
    const changes: Change[] = [];
    this.#collections.set(namespace, changes);
    return changes;
  }
}

const HELLO: Document = {
  isWritablePrimary: true,
  setName: "stand-in",
  setVersion: 1,
  maxBsonObjectSize: 16 * 1024 * 1024,
  maxMessageSizeBytes: 48_000_000,
  maxWriteBatchSize: 100_000,
  minWireVersion: 0,
  maxWireVersion: 21,
};

/** Returns the resume token for the position after this many changes. */
function tokenOf(position: number): Document {
  return { _data: position.toString(16).padStart(8, "0") };
}

/** Returns the command of a message: its body, merged with its document sequences. */
function readCommand(message: Buffer): Document {
  if (message.readInt32LE(12) !== OP_MSG) throw new CommandError(1, "only OP_MSG is known");
  const command: Record<string, unknown> = {};
  for (let at = HEADER + 4; at < message.length; ) {
    const kind = message[at];
    const section = message.subarray(at + 1, at + 1 + message.readInt32LE(at + 1));
    at += 1 + section.length;
    if (kind === 0) Object.assign(command, BSON.deserialize(section));
    else if (kind === 1) {
      const end = section.indexOf(0, 4);
      const documents: Document[] = [];
      for (let from = end + 1; from < section.length; from += section.readInt32LE(from))
        documents.push(BSON.deserialize(section.subarray(from, from + section.readInt32LE(from))));
      command[section.toString("utf8", 4, end)] = documents;
    } else throw new CommandError(1, `a section of the kind ${kind} is unknown`);
  }
  return command;
}

/**
 * Whether a document matches a filter. Supports dotted paths, arrays with a matching element, and the adapter's
 * operators.
 */
function matches(document: Document, filter: Document): boolean {
  return Object.entries(filter).every(([path, wanted]) => {
    if (path === "$and") return listOf(wanted).every((each) => matches(document, each));
    if (path === "$or") return listOf(wanted).some((each) => matches(document, each));
    if (path.startsWith("$")) throw new CommandError(2, `${path} is unknown`);
    let value: Untyped = document;
    for (const name of path.split(".")) value = value?.[name];
    return fits(value, wanted);
  });
}

function fits(value: unknown, wanted: Untyped): boolean {
  const isPlain = typeof wanted !== "object" || wanted === null || wanted instanceof ObjectId;
  if (isPlain) return isOneOf(value, [wanted]);
  return Object.entries<Untyped>(wanted).every(([operator, operand]) => {
    switch (operator) {
      case "$ne":
        return !isOneOf(value, [operand]);
      case "$in":
        return isOneOf(value, operand);
      case "$nin":
        return !isOneOf(value, operand);
      case "$gt":
        return value !== undefined && compare(value, operand) > 0;
      case "$size":
        return Array.isArray(value) && value.length === operand;
      default:
        throw new CommandError(2, `${operator} is unknown`);
    }
  });
}

function isOneOf(value: unknown, wanted: readonly unknown[]): boolean {
  const values = Array.isArray(value) ? value : [value];
  return values.some((each) => wanted.some((one) => compare(each, one) === 0));
}

function compare(one: unknown, other: unknown): number {
  if (one instanceof ObjectId && other instanceof ObjectId) return Buffer.compare(one.id, other.id);
  return one === other ? 0 : Number.NaN;
}

function listOf(value: unknown): Document[] {
  return Array.isArray(value) ? value : [];
}
