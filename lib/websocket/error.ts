// The error of a stream over a WebSocket. WHATWG "WebSockets", "The WebSocketError interface".

import { checkClose } from "./close-arguments.ts";

/** How a WebSocket is closed, or was; all of it may be left out. */
export interface WebSocketCloseInfo {
  /** 1000, or 3000 to 4999. Default: none, or 1000 with a reason. */
  readonly closeCode?: number | undefined;
  /** At most 123 bytes of UTF-8. Default: "". */
  readonly reason?: string | undefined;
}

let fromClose: (closeCode: number, reason: string, cause: Error | undefined) => WebSocketError;

/**
 * A WebSocket ended in another way than by an ordinary close. A program may create one, to abort a stream with a close code
 * and a reason. `name` is "WebSocketError".
 */
export class WebSocketError extends DOMException {
  #closeCode: number | null;
  #reason: string;

  /** @throws DOMException for another code ("InvalidAccessError") or a longer reason ("SyntaxError") */
  constructor(message = "", { closeCode, reason = "" }: WebSocketCloseInfo = {}) {
    super(message, "WebSocketError");
    this.#closeCode = checkClose(closeCode, reason === "" ? undefined : reason).code ?? null;
    this.#reason = `${reason}`;
  }

  static {
    // Codes such as 1006 are for programs to see, and not for them to set.
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

  /** The code in the peer's close frame; 1005 if it held none, 1006 if no close frame was received; `null` in an error that a program created without one. */
  get closeCode(): number | null {
    return this.#closeCode;
  }

  /** The reason in the peer's close frame, or "". */
  get reason(): string {
    return this.#reason;
  }
}

/**
 * Creates the error for a WebSocket that has ended.
 *
 * @param cause the socket's error, or the breach of the protocol for which this end failed the connection
 */
export function errorOfClose(
  closeCode: number,
  reason: string,
  cause: Error | undefined,
): WebSocketError {
  return fromClose(closeCode, reason, cause);
}
