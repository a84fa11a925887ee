// What a client counts for `bufferedAmount`: WHATWG WebSockets, "the number of bytes of application data
// (UTF-8 text and binary data) that have been queued using send() but not yet been transmitted".

/** Counts the bytes of messages, without the frames around them, that the operating system does not have yet. */
export class UnsentData {
  /** The count. After the connection has ended it stays as it is. */
  bytes = 0;
  // Those of them that were written since the last flush.
  #written = 0;

  /** Counts a message that was passed to send() and is not written to the connection yet. */
  add(length: number): void {
    this.bytes += length;
  }

  /** Notes that a counted message was written to the connection, and leaves with the next flush. */
  write(length: number): void {
    this.#written += length;
  }

  /** Counts a message that was written to the connection by send() itself. */
  addWritten(length: number): void {
    this.add(length);
    this.write(length);
  }

  /** Returns the callback for the socket's write() of what was written since the last call. */
  flush(): (error?: Error | null) => void {
    const written = this.#written;
    this.#written = 0;
    return (error) => {
      if (!error) this.bytes -= written;
    };
  }
}
