// How far a client has heard a stream. Its server sends it the offset with each event, and it sends back the last.
//
//   <id>                       all events up to this entry
//   <id>~<process>~<number>    and those of a process up to the one with this number, wherever their entries are
//
// The second is sent while clients were sent events whose entries the process has not read yet: they may be in the
// stream behind the id, or come to be there.

import type { NodeId } from "./cluster-messages.ts";
import { compareIds } from "./stream-reader.ts";

/** Where an event is in a stream. */
export interface StreamPlace {
  readonly id: string;
  readonly sender: NodeId;
  /** The number that the sender has given it, if it has. */
  readonly number: number | undefined;
}

export interface StreamOffset {
  /** All events up to this entry. */
  readonly id: string;
  /** And those of a process up to its number. */
  readonly early: { readonly sender: NodeId; readonly number: number } | undefined;
}

export function formatOffset({ id, early }: StreamOffset): string {
  return early === undefined ? id : `${id}~${early.sender}~${early.number}`;
}

/** Reads what a client has sent. `undefined` for what is no offset. */
export function parseOffset(text: string): StreamOffset | undefined {
  // Numbers of this length are exact.
  const [, id, sender, number] =
    /^(\d{1,15}-\d{1,15})(?:~([\w-]{1,64})~(\d{1,15}))?$/.exec(text) ?? [];
  if (id === undefined) return undefined;
  return { id, early: sender === undefined ? undefined : { sender, number: Number(number) } };
}

/** Whether a client with this offset has heard an event. */
export function includes({ id, early }: StreamOffset, place: StreamPlace): boolean {
  if (compareIds(place.id, id) <= 0) return true;
  const { sender, number } = place;
  return early?.sender === sender && number !== undefined && number <= early.number;
}
