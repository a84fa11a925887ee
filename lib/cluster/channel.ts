// Sends messages to another process over IPC. Node buffers all messages that the other process does not read, without a
// limit. A channel has a limit. A process that exceeds the limit is treated as dead, because the two processes could
// not recover from dropped messages.

import type { Socket } from "node:net";

import type { FromPrimary, SessionRecord, ToPrimary } from "./messages.ts";

/** Largest number of bytes that may wait until the other process reads them. */
export const MAX_WAITING = 128 * 1024 * 1024;

/** The approximate size of a message, or of an item in a batch, without its contents, in bytes. */
const OVERHEAD = 256;
/** The approximate size of a room's name, in bytes. */
const ROOM = 64;

/**
 * Sends a message over IPC, together with the connection `socket` if it is set. `callback` is called after the message
 * was written.
 */
export type SendMessage<Message> = (
  message: Message,
  socket: Socket | undefined,
  callback: (error?: Error | null) => void,
) => void;

/** Sends messages to another process, and limits the bytes that wait for that process. */
export class Channel<Message extends ToPrimary | FromPrimary> {
  readonly #send: SendMessage<Message>;
  readonly #onStalled: () => void;
  readonly #limit: number;
  /** Connections that were not sent to the other process yet. */
  readonly #sockets = new Set<Socket>();
  #waiting = 0;
  #closed = false;

  /**
   * @param send sends a message over IPC
   * @param onStalled called once if more than `limit` bytes would wait. The channel is closed before this call
   * @param limit the most bytes that may wait. Default: 128 MiB
   */
  constructor(send: SendMessage<Message>, onStalled: () => void, limit: number = MAX_WAITING) {
    this.#send = send;
    this.#onStalled = onStalled;
    this.#limit = limit;
  }

  /**
   * Sends a message, together with the connection `socket` if it is set. After this call, this process no longer owns
   * the connection. If the channel is closed, or closes before the connection is sent, the connection is destroyed, so
   * that its client reconnects immediately.
   *
   * @param callback called after the message was sent, or cannot be sent
   */
  send(message: Message, socket?: Socket, callback?: () => void): void {
    if (this.#closed) {
      socket?.destroy();
      callback?.();
      return;
    }
    // A message counts as at most half of the limit, so that even a message that is larger than the
    // limit can be sent.
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
        // If the connection could not be sent, it is destroyed, so that its client does not wait. If the connection was
        // sent, destroy() has no effect on it.
        socket.destroy();
      }
      callback?.();
    });
  }

  /** Destroys the connections that were not sent. Further messages are dropped. */
  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }
}

/** Returns the approximate number of bytes that a message occupies while it waits. */
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
