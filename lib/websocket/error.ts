// The error of a stream over a WebSocket. WHATWG "WebSockets", "The WebSocketError interface".

import { checkClose } from "./close-arguments.ts";

/** The close code and the reason of a WebSocket. */
export interface WebSocketCloseInfo {
  /** The close code: 1000, or 3000 to 4999. Default: no code, or 1000 if there is a reason. */
  readonly closeCode?: number | undefined;
  /** The close reason, at most 123 bytes of UTF-8. Default: "". */
  readonly reason?: string | undefined;
}

let fromClose: (closeCode: number, reason: string, cause: Error | undefined) => WebSocketError;

/**
 * The error of a stream whose WebSocket was not closed normally. A program may also create a WebSocketError, to abort a
 * stream with a close code and a reason. `name` is "WebSocketError". WHATWG "WebSockets", "The WebSocketError interface".
 *
 * @example
 * const { writable } = await new WebSocketStream("ws://localhost:8080").opened;
 * await writable.abort(new WebSocketError("no more data", { closeCode: 4000, reason: "done" }));
 */
export class WebSocketError extends DOMException {
  #closeCode: number | null;
  #reason: string;

  /**
   * Creates an error.
   *
   * @param message the message. Default: ""
   * @param init the close code and the reason
   * @throws DOMException if the code is invalid (`name` "InvalidAccessError") or the reason is too long ("SyntaxError")
   */
  constructor(message = "", { closeCode, reason = "" }: WebSocketCloseInfo = {}) {
    super(message, "WebSocketError");
    this.#closeCode = checkClose(closeCode, reason === "" ? undefined : reason).code ?? null;
    this.#reason = `${reason}`;
  }

  static {
    // Sets any code. The constructor, which programs call, rejects codes such as 1006.
    fromClose = (closeCode, reason, cause) => {
      const why = cause?.message ?? reason;
      const said = `the WebSocket was closed with ${closeCode}`;
      const error = new WebSocketError(why === "" ? said : `${said}: ${why}`);
      error.#closeCode = closeCode;
      error.#reason = reason;
      if (cause !== undefined) error.cause = cause;
      return error;
    };
  }

  /**
   * The code in the peer's close frame, 1005 if the frame had no code, 1006 if no close frame was received. `null` if a
   * program created the error without a code.
   */
  get closeCode(): number | null {
    return this.#closeCode;
  }

  /** The reason in the peer's close frame, or "" if there is none. */
  get reason(): string {
    return this.#reason;
  }
}

/**
 * Creates the error of a WebSocket that was closed.
 *
 * @param cause the error that has ended the connection: an error of the socket, or a protocol error of the peer
 */
export function errorOfClose(
  closeCode: number,
  reason: string,
  cause: Error | undefined,
): WebSocketError {
  return fromClose(closeCode, reason, cause);
}
