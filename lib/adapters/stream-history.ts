// Finds the events that a client has missed in a namespace: the entries of the stream after the client's offset. The
// newest events are kept in memory, so that they need not be read again for each client that reconnects.

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
import { type ReplayTurn, StreamReplays } from "./stream-replays.ts";

/** The options of a history. */
export interface StreamHistoryOptions {
  readonly streamName: string;
  /** Largest number of events that a client may have missed. A process keeps this many events in memory. */
  readonly maxMissedEvents: number;
  /** Largest number of bytes of events that a client may have missed. */
  readonly maxMissedBytes: number;
  /** Largest number of entries per read. */
  readonly readCount: number;
}

/** An event that clients may have missed. The event is encoded when the first client that has missed it reconnects. */
interface StreamEvent extends StreamPlace {
  readonly packet: Packet & { readonly type: typeof EVENT };
  readonly options: BroadcastOptions;
  /** The size of the event's entry, in bytes. */
  readonly size: number;
  message: Outgoing | undefined;
}

/** The entries of one read of the stream. */
interface Page {
  /** The events of the namespace. */
  readonly events: readonly StreamEvent[];
  /** The size of all entries, in bytes. */
  readonly size: number;
}

/** The turn of a reconnecting client: the right to read the stream (stream-replays.ts). */
export type HistoryTurn = ReplayTurn<Page>;

/**
 * The limit on the bytes that are read from the stream for one client, as a multiple of `maxMissedBytes`. Even if a
 * client has missed few events, many entries may have to be read, because the stream contains the events of all rooms
 * and namespaces. If the limit is exceeded, the client starts a new session.
 */
const MAX_READ = 16;

/** Finds the events that a client has missed. */
export class StreamHistory {
  private readonly nsp: AdapterHost;
  private readonly command: SendCommand;
  private readonly options: StreamHistoryOptions;
  private readonly replays: StreamReplays<Page>;
  private readonly recent = new Set<StreamEvent>();
  private recentBytes = 0;
  /** `recent` contains all events after this entry. */
  private recentSince: string | undefined;

  constructor(
    nsp: AdapterHost,
    hub: StreamHub,
    command: SendCommand,
    options: StreamHistoryOptions,
  ) {
    this.nsp = nsp;
    this.command = command;
    this.options = options;
    this.replays = new StreamReplays(hub, command, options, (entries) => this.pageOf(entries));
    this.recentSince = hub.position;
  }

  /**
   * Called when the reader of the stream (stream-reader.ts) has chosen the entry after which it starts to read. This
   * happens when the reader has connected for the first time, and when another stream has replaced the stream.
   */
  onLocated(position: string): void {
    this.recent.clear();
    this.recentBytes = 0;
    this.recentSince = position;
  }

  /** Keeps a message of the stream if it is an event that clients may miss. */
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

  /** Returns whether an entry is in the stream. */
  async has(id: string): Promise<boolean> {
    return entriesOf(await this.range(id, id, 1)).length > 0;
  }

  /** Returns whether all events after an entry are in memory. */
  isRecent(id: string): boolean {
    return this.recentSince !== undefined && compareIds(id, this.recentSince) >= 0;
  }

  /**
   * Resolves when the stream can be read for a reconnecting client.
   *
   * @param isWanted returns whether the client is still waiting
   * @returns the client's turn, or `undefined` if the client is no longer waiting
   */
  turn(isWanted: () => boolean): Promise<HistoryTurn | undefined> {
    return this.replays.turn(isWanted);
  }

  /**
   * Returns the events that a session has missed up to a position. Returns `undefined` if some of them were removed
   * from the stream, or if they exceed the limits.
   *
   * @param heard the client's offset
   * @param given the turn of the client, if the client already has a turn
   */
  async missedBy(
    session: RecoverableSession,
    heard: StreamOffset,
    position: string,
    given: HistoryTurn | undefined,
  ): Promise<Outgoing[] | undefined> {
    const missed: Outgoing[] = [];
    if (this.isRecent(heard.id)) {
      for (const each of this.recent) {
        const isMissed = !includes(heard, each) && compareIds(each.id, position) <= 0;
        if (isMissed && concerns(each.options, session.rooms)) missed.push(this.encode(each));
      }
      return missed;
    }
    const { maxMissedBytes, maxMissedEvents } = this.options;
    let size = 0;
    let read = 0;
    const onPage = (page: Page): boolean => {
      read += page.size;
      for (const event of page.events) {
        if (!concerns(event.options, session.rooms) || includes(heard, event)) continue;
        // Later events are buffered in RedisStreamsAdapter.
        if (compareIds(event.id, position) > 0) break;
        size += event.size;
        missed.push(this.encode(event));
      }
      const isTooMuch = missed.length > maxMissedEvents || size > maxMissedBytes;
      return !isTooMuch && read <= MAX_READ * maxMissedBytes;
    };
    const turn = given ?? (await this.turn(() => true));
    return (await turn?.read({ from: heard.id, onPage })) === true ? missed : undefined;
  }

  private pageOf(entries: readonly StreamEntry[]): Page {
    let all = 0;
    const events = entries.flatMap(({ id, fields }) => {
      const size = OVERHEAD + (fields.get("data")?.length ?? 0);
      all += size;
      // In a busy stream, most entries are for other namespaces. Entries that are not events of this namespace are not
      // decoded.
      if (fields.get("nsp") !== this.nsp.name || fields.get("type") !== "3") return [];
      const entry = decodeEntry(fields, this.nsp.name);
      return (entry && this.eventOf({ id, ...entry }, entry.message, size)) ?? [];
    });
    return { events, size: all };
  }

  /** Returns the event of a message, or `undefined` if the message is not an event that clients may miss. */
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
