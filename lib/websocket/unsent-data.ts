// Counts the bytes for `bufferedAmount` of a client. WHATWG WebSockets: "the number of bytes of application data (UTF-8 text and
// binary data) that have been queued using send() but not yet been transmitted".

/** Counts the bytes of messages, without frame headers, that were not yet passed to the operating system. */
export class UnsentData {
  /** The number of bytes. Not reset when the connection ends. */
  bytes = 0;
  // The part of the count that was written to the connection since the last flush.
  #written = 0;

  /** Counts a message that was passed to send() and is not yet written to the connection. */
  add(length: number): void {
    this.bytes += length;
  }

  /** Notes that a counted message was written to the connection. The next flush passes the message to the socket. */
  write(length: number): void {
    this.#written += length;
  }

  /** Counts a message that send() writes to the connection at once. */
  addWritten(length: number): void {
    this.add(length);
    this.write(length);
  }

  /**
   * Returns a callback for write() of the socket. After a successful write(), the callback subtracts from `bytes` the length
   * of the messages that were written to the connection since the last flush.
   */
  flush(): (error?: Error | null) => void {
    const written = this.#written;
    this.#written = 0;
    return (error) => {
      if (!error) this.bytes -= written;
    };
  }
}
