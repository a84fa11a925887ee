// What a client has missed of a namespace: the events of the stream behind the offset that it has. The newest
// are in memory, so that they need not be read again for each client that comes back.

import { EVENT, type Packet } from "../../protocol/socketio/packet.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import type { AdapterHost, BroadcastOptions, RecoverableSession } from "../socketio/adapter.ts";
import { concerns } from "../socketio/recovery-store.ts";
import { withOffset } from "./recovering-adapter.ts";
import { OVERHEAD } from "./redis-link.ts";
import type { SendCommand } from "./redis-sessions.ts";
import { decodeEntry, type StreamsMessage } from "./redis-streams-wire.ts";
import type { StreamHub } from "./stream-hub.ts";
import { includes, type StreamOffset, type StreamPlace } from "./stream-offset.ts";
import { compareIds, entriesOf, type StreamEntry } from "./stream-reader.ts";

export interface StreamHistoryOptions {
  readonly streamName: string;
  /** The events that a client may have missed. */
  readonly maxMissedEvents: number;
  /** Bytes of the events that a client may have missed. */
  readonly maxMissedBytes: number;
  /** The most entries of one read. */
  readonly readCount: number;
}

/** An event that clients may have missed. It is encoded for the first that has. */
interface StreamEvent extends StreamPlace {
  readonly packet: Packet & { readonly type: typeof EVENT };
  readonly options: BroadcastOptions;
  /** Bytes of its entry. */
  readonly size: number;
  message: Outgoing | undefined;
}

export class StreamHistory {
  private readonly nsp: AdapterHost;
  private readonly hub: StreamHub;
  private readonly command: SendCommand;
  private readonly options: StreamHistoryOptions;
  private readonly recent = new Set<StreamEvent>();
  private recentBytes = 0;
  /** All events behind this entry are in `recent`. */
  private recentSince: string | undefined;

  constructor(
    nsp: AdapterHost,
    hub: StreamHub,
    command: SendCommand,
    options: StreamHistoryOptions,
  ) {
    this.nsp = nsp;
    this.hub = hub;
    this.command = command;
    this.options = options;
    this.recentSince = hub.position;
  }

  /** The stream is read from this entry on, for the first time or since it is another one. */
  onLocated(position: string): void {
    this.recent.clear();
    this.recentBytes = 0;
    this.recentSince = position;
  }

  /** Notes a message of the stream, if it is an event. */
  add(place: StreamPlace, message: StreamsMessage, size: number): void {
    const event = this.eventOf(place, message, size + OVERHEAD);
    if (event === undefined) return;
    const { maxMissedBytes, maxMissedEvents } = this.options;
    this.recent.add(event);
    this.recentBytes += event.size;
    for (const oldest of this.recent) {
      if (this.recent.size <= maxMissedEvents && this.recentBytes <= maxMissedBytes) break;
      this.recent.delete(oldest);
      this.recentBytes -= oldest.size;
      this.recentSince = oldest.id;
    }
  }

  /** Whether an entry is in the stream. */
  async has(id: string): Promise<boolean> {
    return entriesOf(await this.range(id, id, 1)).length > 0;
  }

  /** What a session has missed up to a position. `undefined` where not all of it is there, or it is too much. */
  async missedBy(
    session: RecoverableSession,
    heard: StreamOffset,
    position: string,
  ): Promise<Outgoing[] | undefined> {
    const missed: Outgoing[] = [];
    if (this.recentSince !== undefined && compareIds(heard.id, this.recentSince) >= 0) {
      for (const each of this.recent) {
        const isMissed = !includes(heard, each) && compareIds(each.id, position) <= 0;
        if (isMissed && concerns(each.options, session.rooms)) missed.push(this.encode(each));
      }
      return missed;
    }
    const entries = await this.hub.replay(() => this.entriesBetween(heard.id, position));
    for (const { id, fields } of entries ?? []) {
      // Most entries of a busy stream are for others: what is no event here need not be decoded.
      if (fields.get("nsp") !== this.nsp.name || fields.get("type") !== "3") continue;
      const entry = decodeEntry(fields, this.nsp.name);
      const event = entry && this.eventOf({ id, ...entry }, entry.message, 0);
      if (event === undefined || includes(heard, event)) continue;
      if (concerns(event.options, session.rooms)) missed.push(this.encode(event));
    }
    const isTooMuch = missed.length > this.options.maxMissedEvents;
    return entries === undefined || isTooMuch ? undefined : missed;
  }

  /** Reads entries again. `undefined` where not all of them are there, or they are too many. */
  private async entriesBetween(
    heard: string,
    position: string,
  ): Promise<StreamEntry[] | undefined> {
    const { maxMissedBytes, readCount } = this.options;
    const all: StreamEntry[] = [];
    let size = 0;
    for (let from = heard, more = true; more; ) {
      const reply = await this.range(`(${from}`, position, readCount);
      if (reply === undefined) return undefined;
      const entries = entriesOf(reply);
      for (const entry of entries) {
        from = entry.id;
        size += OVERHEAD + (entry.fields.get("data")?.length ?? 0);
        all.push(entry);
      }
      if (size > maxMissedBytes) return undefined;
      more = entries.length === readCount;
    }
    // Looked at last: nothing behind the offset was removed until now.
    const [first] = entriesOf(await this.range("-", "+", 1));
    return first !== undefined && compareIds(first.id, heard) <= 0 ? all : undefined;
  }

  /** The event that a client may miss, `undefined` for what is none. */
  private eventOf(
    { id, sender, number }: StreamPlace,
    message: StreamsMessage | undefined,
    size: number,
  ): StreamEvent | undefined {
    if (message?.type !== "broadcast" || message.request !== undefined) return undefined;
    const { packet, options } = message;
    if (packet.type !== EVENT || options.flags.volatile === true) return undefined;
    return { id, sender, number, packet, options, size, message: undefined };
  }

  private encode(event: StreamEvent): Outgoing {
    const { id, packet, options } = event;
    event.message ??= this.nsp.encode(
      { ...packet, data: withOffset(packet.data, id) },
      options.flags.compress ?? true,
    );
    return event.message;
  }

  private range(from: string, to: string, count: number): Promise<unknown> {
    return this.command("XRANGE", this.options.streamName, from, to, "COUNT", `${count}`);
  }
}
