// One process's way to another one, over IPC. Node keeps what the other process does not read, without a limit. A
// channel has one: a process that does not read for so long counts as dead, since what is dropped between the two
// would be missing for ever.

import type { Socket } from "node:net";

import type { FromPrimary, SessionRecord, ToPrimary } from "./messages.ts";

/** Bytes that may wait until the other process reads. */
export const MAX_WAITING = 128 * 1024 * 1024;

/** About as many bytes as a message or an item of a batch takes beside its contents. */
const OVERHEAD = 256;
/** About as many bytes as the name of a room takes. */
const ROOM = 64;

/** Sends a message over IPC, and a connection with it; `callback` is called when the message is written. */
export type SendMessage<Message> = (
  message: Message,
  socket: Socket | undefined,
  callback: (error?: Error | null) => void,
) => void;

export class Channel<Message extends ToPrimary | FromPrimary> {
  readonly #send: SendMessage<Message>;
  readonly #onStalled: () => void;
  readonly #limit: number;
  /** Connections that the other process has not received. */
  readonly #sockets = new Set<Socket>();
  #waiting = 0;
  #closed = false;

  /**
   * @param onStalled called once if more waits than `limit`. The channel is closed then
   * @param limit in bytes. Default: 128 MiB
   */
  constructor(send: SendMessage<Message>, onStalled: () => void, limit: number = MAX_WAITING) {
    this.#send = send;
    this.#onStalled = onStalled;
    this.#limit = limit;
  }

  /**
   * Sends a message, and with it a connection, which this process has no more then. If the channel is closed, or closes
   * before the connection is sent, the connection is ended: its client connects anew at once.
   *
   * @param callback called when the message is sent, and when it cannot be
   */
  send(message: Message, socket?: Socket, callback?: () => void): void {
    if (this.#closed) {
      socket?.destroy();
      callback?.();
      return;
    }
    // A message may be larger than all that may wait.
    const size = Math.min(sizeOf(message), this.#limit / 2);
    if (this.#waiting + size > this.#limit) {
      socket?.destroy();
      this.close();
      this.#onStalled();
      callback?.();
      return;
    }
    this.#waiting += size;
    if (socket !== undefined) this.#sockets.add(socket);
    this.#send(message, socket, () => {
      this.#waiting -= size;
      if (socket !== undefined) {
        this.#sockets.delete(socket);
        // Nothing happens where it was sent. Where it could not be, its client must not wait.
        socket.destroy();
      }
      callback?.();
    });
  }

  /** Ends the connections that were not sent. Nothing is sent any more. */
  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }
}

/** Returns about as many bytes as a message takes while it waits. */
function sizeOf(message: ToPrimary | FromPrimary): number {
  if (message.type === "connection") return 4 * OVERHEAD + message.bytes.length;
  if (message.type !== "batch") return OVERHEAD;
  let size = OVERHEAD;
  for (const item of message.items) {
    size += OVERHEAD;
    if ("body" in item) size += item.body.length;
    if ("kept" in item && item.kept !== undefined)
      size += ROOM * (item.kept.rooms.length + item.kept.except.length);
    if ("session" in item) size += sizeOfSession(item.session);
    if (item.type !== "claimed" || typeof item.result === "string") continue;
    size += sizeOfSession(item.result.session);
    for (const { body } of item.result.missed) size += OVERHEAD + body.length;
  }
  return size;
}

function sizeOfSession({ data, rooms }: SessionRecord): number {
  return data.length + ROOM * rooms.length;
}
