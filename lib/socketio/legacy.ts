// The dispatcher for legacy clients. Socket.IO 1.x and 2.x clients use revision 4 of the Socket.IO
// protocol over revision 3 of Engine.IO.

import type { Bytes } from "../../protocol/bytes.ts";
import {
  connected,
  encodeRefusal,
  socketId,
  splitNamespace,
} from "../../protocol/socketio/legacy.ts";
import {
  CONNECT,
  type ConnectErrorData,
  MAIN_NAMESPACE,
  type Packet,
} from "../../protocol/socketio/packet.ts";
import { messages } from "../engineio/outgoing.ts";
import type { Session } from "../engineio/session.ts";
import { Dispatcher, type DispatcherHost } from "./dispatcher.ts";

export class LegacyDispatcher extends Dispatcher {
  constructor(session: Session, host: DispatcherHost) {
    super(session, host);
    // Legacy clients join the main namespace without a CONNECT packet.
    this.join(MAIN_NAMESPACE, {}, 0);
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

  protected override dispatch(packet: Packet, message: string | Bytes): void {
    const { namespace, query } = splitNamespace(packet.namespace);
    super.dispatch(
      packet.type === CONNECT
        ? { type: CONNECT, namespace, data: query }
        : { ...packet, namespace },
      message,
    );
  }
}
