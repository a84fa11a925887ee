// One client of the load generator. It sends bytes that were prepared in advance, and only counts the frames that it
// receives.

import { connect, type Socket } from "node:net";

import { frame } from "../tests/support/frame.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const MASKING_KEY = Buffer.from([0x12, 0x34, 0x56, 0x78]);

/** Encodes a message as a client sends it. @param rsv RSV1 to RSV3 as a number from 0 to 7: RSV1 is the highest bit */
export function masked(opcode: 0x1 | 0x2, payload: Uint8Array | string, rsv = 0): Buffer {
  return frame(opcode, payload, { rsv, key: MASKING_KEY });
}

/** Counts the frames of a stream, independently of how the stream is split into chunks. */
class FrameCounter {
  #payloadLeft = 0;
  #header = Buffer.alloc(0);

  /** Returns how many frames end in `chunk`. */
  count(chunk: Buffer): number {
    let frames = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const part = Math.min(this.#payloadLeft, chunk.length - at);
        at += part;
        this.#payloadLeft -= part;
        if (this.#payloadLeft === 0) frames++;
        continue;
      }
      if (this.#header.length > 0) {
        chunk = Buffer.concat([this.#header, chunk.subarray(at)]);
        this.#header = Buffer.alloc(0);
        at = 0;
      }
      const short = (chunk[at + 1] ?? 0) & 0x7f;
      const size = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (chunk.length - at < size) {
        this.#header = Buffer.from(chunk.subarray(at));
        return frames;
      }
      if (size === 2) this.#payloadLeft = short;
      else if (size === 4) this.#payloadLeft = chunk.readUInt16BE(at + 2);
      else this.#payloadLeft = Number(chunk.readBigUInt64BE(at + 2));
      at += size;
      if (this.#payloadLeft === 0) frames++;
    }
    return frames;
  }
}

export interface ConnectOptions {
  readonly port: number;
  readonly path: string;
  readonly extensions?: string;
  /**
   * Whether the client joins the main namespace. If `false`, the client counts as connected after the opening
   * handshake.
   */
  readonly join: boolean;
  /** The number of frames that the server sends before the client counts as connected. */
  readonly greetings: number;
}

export class LoadClient {
  /** Called with the number of frames that end in a received chunk. */
  onFrames: (frames: number, client: LoadClient) => void = () => {};
  onClose: () => void = () => {};
  readonly #socket: Socket;
  readonly #counter = new FrameCounter();

  private constructor(options: ConnectOptions, connected: (error?: Error) => void) {
    const { port, path, extensions, join, greetings } = options;
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.on("error", connected);
    this.#socket.on("close", () => {
      connected(new Error("closed before it was connected"));
      this.onClose();
    });
    this.#socket.on("connect", () => {
      this.#socket.write(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\n` +
          `Connection: Upgrade\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n` +
          `${extensions === undefined ? "" : `Sec-WebSocket-Extensions: ${extensions}\r\n`}\r\n`,
      );
    });
    let head = Buffer.alloc(0);
    let greeted = 0;
    const onGreeting = (frames: number): void => {
      const before = greeted;
      greeted += frames;
      if (join && before === 0 && greeted > 0) this.#socket.write(masked(0x1, "40"));
      if (greeted < greetings) return;
      this.onFrames = () => {};
      connected();
    };
    this.onFrames = onGreeting;
    const onHead = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end === -1) return;
      const status = head.toString("latin1", 0, 12);
      if (status !== "HTTP/1.1 101") {
        connected(new Error(status));
        return;
      }
      this.#socket.off("data", onHead);
      this.#socket.on("data", (more: Buffer) => {
        const frames = this.#counter.count(more);
        if (frames > 0) this.onFrames(frames, this);
      });
      const frames = this.#counter.count(head.subarray(end + 4));
      if (frames > 0 || greetings === 0) this.onFrames(frames, this);
    };
    this.#socket.on("data", onHead);
  }

  static open(options: ConnectOptions): Promise<LoadClient> {
    return new Promise((resolve, reject) => {
      const client: LoadClient = new LoadClient(options, (error) => {
        if (error === undefined) resolve(client);
        else reject(error);
      });
    });
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
