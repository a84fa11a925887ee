// Clients 1.x and 2.x: revision 4 of Socket.IO over revision 3 of Engine.IO.

import {
  CONNECT,
  type ConnectErrorData,
  MAIN_NAMESPACE,
  type Packet,
} from "../../protocol/socketio/packet.ts";
import { connected, encodeRefusal, socketId, splitNamespace } from "../../protocol/socketio/v4.ts";
import { messages } from "../engineio/outgoing.ts";
import type { Session } from "../engineio/session.ts";
import { Dispatcher, type DispatcherHost } from "./dispatcher.ts";

export class Dispatcher4 extends Dispatcher {
  constructor(session: Session, host: DispatcherHost) {
    super(session, host);
    // They do not ask.
    this.join(MAIN_NAMESPACE, {});
  }

  override socketId(namespace: string): string {
    return socketId(namespace, this.id);
  }

  override get recoverable(): boolean {
    return false;
  }

  override sendConnected(namespace: string): void {
    this.sendPacket(connected(namespace));
  }

  override sendRefused(namespace: string, data: ConnectErrorData): void {
    this.send(messages(encodeRefusal(namespace, data), [], true), false);
  }

  protected override dispatch(packet: Packet): void {
    const { namespace, query } = splitNamespace(packet.namespace);
    super.dispatch(
      packet.type === CONNECT
        ? { type: CONNECT, namespace, data: query }
        : { ...packet, namespace },
    );
  }
}
