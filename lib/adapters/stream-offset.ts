// The offset of a client in a stream records which events the client has received. The server sends an offset with each
// event, and the client sends back the last offset.
//
//   <id>                       the client has all events up to this entry
//   <id>~<process>~<number>    the client also has all events of this process up to this number
//
// The second form is used as long as clients have received events whose entries the process has not read yet. These
// entries may be after the id in the stream, or may be added later.

import type { NodeId } from "./cluster-messages.ts";
import { compareIds } from "./stream-reader.ts";

/** The place of an event in a stream. */
export interface StreamPlace {
  readonly id: string;
  readonly sender: NodeId;
  /** The number that the sender has assigned to the event, if any. */
  readonly number: number | undefined;
}

/** A parsed offset. */
export interface StreamOffset {
  /** The client has all events up to this entry. */
  readonly id: string;
  /** The client also has the events of this process up to this number. */
  readonly early: { readonly sender: NodeId; readonly number: number } | undefined;
}

export function formatOffset({ id, early }: StreamOffset): string {
  return early === undefined ? id : `${id}~${early.sender}~${early.number}`;
}

/** Parses an offset that a client has sent. Returns `undefined` if the text is not a valid offset. */
export function parseOffset(text: string): StreamOffset | undefined {
  // JavaScript represents integers with up to 15 digits exactly.
  const [, id, sender, number] =
    /^(\d{1,15}-\d{1,15})(?:~([\w-]{1,64})~(\d{1,15}))?$/.exec(text) ?? [];
  if (id === undefined) return undefined;
  return { id, early: sender === undefined ? undefined : { sender, number: Number(number) } };
}

/** Returns whether a client with this offset has received an event. */
export function includes({ id, early }: StreamOffset, place: StreamPlace): boolean {
  if (compareIds(place.id, id) <= 0) return true;
  const { sender, number } = place;
  return early?.sender === sender && number !== undefined && number <= early.number;
}
